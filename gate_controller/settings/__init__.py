"""Configuration files, validated strictly."""
