"""請求: what an office owes for a month, from its contract's history, closed once into rows that nothing changes.

months      a month of Tokyo's calendar
prices      what things cost, from when on: data
states      what the contract said from which day on, as far as it is billed
facts       what there is to bill for a month
bills       from facts to lines and sums; nothing but arithmetic
usage       metered use, as the network's metering tells it; `usage_files` reads its files
closing     the monthly job
reading     bills for pages
"""
