"""CMP (RFC 9810, over HTTP as RFC 9811 says, by the lightweight profile RFC 9483): codes or a certificate for a certificate.

`messages`, `bodies`, `answers`, `macs`, `signatures` are the codec: octets in, values out, and back; they know neither the
network nor the database. `operations` is what each kind of message does; `routes` is HTTP.
"""
