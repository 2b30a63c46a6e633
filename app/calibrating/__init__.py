"""Calibrate: plan, rig, draft and procedure behind the wizard and the command line. No Qt here."""
