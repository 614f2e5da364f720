"""What callers see, by subject. Importing this package registers every screen."""

from ussd.screens import account, buy, devices, home, voucher

__all__ = ["account", "buy", "devices", "home", "voucher"]
