"""The pages of staff: users, billing, webhook events, dashboard and timeline."""
