"""The door for phones without internet: USSD menus and SMS keywords."""
