"""What a subscriber does later: plan, payment methods, hosted pages, invoices, deletion."""
