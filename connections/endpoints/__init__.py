"""The calls of the API beside those about invoices."""
