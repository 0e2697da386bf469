"""Doctor's checks in this process, but for those that take long. Holds no test."""

from gate_controller.cli.doctor import doctor_command
from gate_controller.diagnostics import Site, all_groups, examine

SKIPPED_HERE = ("face_camera", "qr_camera", "models.work")


def findings(site, *prefixes):
    groups = [each for each in all_groups(site) if not prefixes or any(check.startswith(prefixes) for check in each.ids)]
    return {each.id: each for each in examine([each for each in groups if not each.ids[0].startswith(SKIPPED_HERE)])}


def running(made, **status):
    """The site beside a gate controller that says this."""
    site = Site(made.config)
    site.answer = {"uptime_s": 60.0, "devices": {}, **status}
    return site


def doctor_main(args=None, **options):
    """gatectl doctor without becoming the gate's user for good: this process runs other tests, too."""
    return doctor_command.main(args=args[1:], standalone_mode=False, prog_name="doctor")
