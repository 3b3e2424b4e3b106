"""Bytes by URI: local disk and S3."""
