"""Payment companies, one module each. All of them keep the promises of `core.ports.PaymentGateway`."""
