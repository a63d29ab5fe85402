"""All tables of all rooms: what a database looks like after the newest revision."""

import ca.crl_blocks
import ca.profile_history
import ca.tables
import ca.terms
import enrollment.batches.tables
import enrollment.cmp_transactions
import enrollment.deadlines.due
import enrollment.diagnosis_cases
import enrollment.disclosure
import enrollment.documents.store
import enrollment.freezes
import enrollment.gateway_list
import enrollment.generations.tables
import enrollment.logon_refusals
import enrollment.receipts
import enrollment.tables
import kernel.audit
import kernel.outbox
import kernel.throttle
import registry.applications.parties
import registry.applications.versions
import registry.attachments.records
import registry.billing.tables
import registry.bulletin.records
import registry.schedule
import registry.tables
import server.leases
import webui.factors.tables
import webui.news_marks
import webui.tables
from kernel.database import Base

SCHEMA = Base.metadata
