"""Ninefold: the enterprise AI platform in one package."""
