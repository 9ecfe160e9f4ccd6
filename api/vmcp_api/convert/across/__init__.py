"""What is only seen of several objects together, once each is converted."""
