"""Genetic codes and translation.

Source of the tables: NCBI "The Genetic Codes" (transl_table numbers, amino acids in the order
TTT, TTC, TTA, TTG, TCT ... GGG). An ambiguous codon (IUPAC) is translated where all its readings
agree; readings of only D and N give B, of only E and Q give Z, of only I and L give J, anything
else X.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

_BASES = "TCAG"
_CODES = {
    1: "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    2: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSS**VVVVAAAADDEEGGGG",
    3: "FFLLSSSSYY**CCWWTTTTPPPPHHQQRRRRIIMMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    4: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    5: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSSSSVVVVAAAADDEEGGGG",
    6: "FFLLSSSSYYQQCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    9: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNNKSSSSVVVVAAAADDEEGGGG",
    10: "FFLLSSSSYY**CCCWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    11: "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    12: "FFLLSSSSYY**CC*WLLLSPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    13: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSSGGVVVVAAAADDEEGGGG",
    14: "FFLLSSSSYYY*CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNNKSSSSVVVVAAAADDEEGGGG",
    16: "FFLLSSSSYY*LCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    21: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNNKSSSSVVVVAAAADDEEGGGG",
    22: "FFLLSS*SYY*LCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    23: "FF*LSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
    24: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSSKVVVVAAAADDEEGGGG",
    25: "FFLLSSSSYY**CCGWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
}
#: Bases translated at once in search of a stop.
_STRETCH = 120
STANDARD = 1
VERTEBRATE_MITOCHONDRIAL = 2

_IUPAC = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip

#: One-letter to three-letter amino acids. An unknown residue is written as a stop by VEP
#: (p.Ter1%3D for a codon that starts before the model does); HGVS itself would write Xaa.
AA3 = {
    "A": "Ala", "C": "Cys", "D": "Asp", "E": "Glu", "F": "Phe", "G": "Gly", "H": "His",
    "I": "Ile", "K": "Lys", "L": "Leu", "M": "Met", "N": "Asn", "P": "Pro", "Q": "Gln",
    "R": "Arg", "S": "Ser", "T": "Thr", "V": "Val", "W": "Trp", "Y": "Tyr", "*": "Ter",
    "X": "Ter", "B": "Asx", "Z": "Glx", "J": "Xle", "U": "Sec",
}  # fmt: skip

_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVNacgtn", "TGCAYRSWMKVHDBNtgcan")


def reverse_complement(sequence: str) -> str:
    """The opposite strand, 5' to 3'."""
    return sequence.translate(_COMPLEMENT)[::-1]


@lru_cache(maxsize=64)
def _readings(table: int) -> dict[str, str]:
    """Codons, and pairs of codons, to amino acids: half as many look-ups."""
    code = genetic_code(table)
    pairs = {a + b: x + y for a, x in code.items() for b, y in code.items()}
    return code | pairs


@lru_cache(maxsize=64)
def genetic_code(table: int) -> dict[str, str]:
    """Codon (DNA, upper case) to amino acid, for an NCBI transl_table. KeyError: no such table."""
    amino_acids = _CODES[table]
    return {a + b + c: amino_acids[i] for i, (a, b, c) in enumerate(product(_BASES, repeat=3))}


def known_code(table: int) -> bool:
    """True where ``table`` is an NCBI transl_table that this module knows."""
    return table in _CODES


@lru_cache(maxsize=8192)
def _ambiguous(codon: str, table: int) -> str:
    code = genetic_code(table)
    choices = [_IUPAC.get(base, base) for base in codon]
    readings = {code.get("".join(c), "X") for c in product(*choices)}
    if len(readings) == 1:
        return readings.pop()
    for pair, letter in (("DN", "B"), ("EQ", "Z"), ("IL", "J")):
        if readings <= set(pair):
            return letter
    return "X"


def translate(sequence: str, table: int = STANDARD) -> str:
    """Amino acids of the whole codons of ``sequence``; an incomplete last codon is left out."""
    readings = _readings(table)
    known = readings.get(sequence)
    if known is not None:
        return known
    whole = len(sequence) - len(sequence) % 3
    if whole < len(sequence):
        sequence = sequence[:whole]
    try:
        return "".join([readings[sequence[i : i + 6]] for i in range(0, whole, 6)])
    except KeyError:
        parts = [sequence[i : i + 3] for i in range(0, whole, 3)]
        return "".join([readings.get(codon) or _ambiguous(codon, table) for codon in parts])


def translate_to_stop(sequence: str, start0: int, table: int = STANDARD) -> str:
    """Amino acids from the 0-based place ``start0`` to the first stop (with it) or to the end."""
    out = ""
    for at in range(start0, len(sequence), _STRETCH):
        out += translate(sequence[at : at + _STRETCH], table)
        stop = out.find("*")
        if stop >= 0:
            return out[: stop + 1]
    return out


def three_letter(residues: str) -> str:
    """``"MA*"`` to ``"MetAlaTer"``."""
    return "".join([AA3.get(aa, "Xaa") for aa in residues])
