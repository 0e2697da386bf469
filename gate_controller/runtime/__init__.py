"""One decision thread, one worker thread a blocking device, commands out, events in."""
