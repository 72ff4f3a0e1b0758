"""Vendors: one file each, reached only through the registry."""
