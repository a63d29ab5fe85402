"""What people see: accounts, sessions, guard, and two doors (portal for customers, center for staff) that are strangers."""
