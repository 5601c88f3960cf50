"""Feedback to Sonarr, Radarr and the like: a release is there, a release has failed."""
