"""The pure core: bytes of VCF in, bytes of annotated VCF out.

Imports no Django, opens no socket, reads no environment; usable as a library:
``run.annotate(input, output, Pack.open(folder), engine)``.

    stream, vcf      a stranger's bytes, with caps, as records that can be given back byte for byte
    contigs, fit     which records can be annotated, and under which of the reference's names
    engines/         the port, and the engines behind it
    header, piece    what an annotation adds, and how it is grafted onto a slice of the file
    bgzf, index      the result's compression and its index (.tbi, .csi)
    run, pool        a whole file, in one process or in several; child: in a process of its own
    terms, alleles   consequences by severity, classes of variants
    summary          what was found, in numbers
    strip            takes an annotation away again
    pack, genome     the reference
"""
