"""The door for payment companies' callbacks (and, later, for phones on the Wi-Fi)."""
