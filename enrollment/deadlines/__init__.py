"""What falls due by the calendar: reminders to renew, warnings of a suspension, and the suspension itself.

`days` is pure arithmetic, `due` the questions to the database, `letters` the words, `deadlines` the jobs.
"""
