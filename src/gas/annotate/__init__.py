"""The pure core: bytes of VCF in, bytes of annotated VCF out.

Imports no Django, opens no socket, reads no environment; usable as a library.
"""
