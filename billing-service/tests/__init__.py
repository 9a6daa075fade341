"""What users and operators of the billing service notice."""
