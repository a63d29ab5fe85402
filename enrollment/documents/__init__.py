"""Documents: the application form (申込書) and the approval notice (承認通知), as PDF.

`facts` gathers what they say, `typesetting` sets it, `signing` signs it, `notices` makes each notice once and `store` keeps it
as issued; `verification` tells whose an uploaded file is. What costs memory or reads strangers' files runs in `children`.
"""
