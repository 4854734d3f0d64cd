"""Measurements, each beside a named baseline that runs in the same minutes.

``python -m bench`` runs all, ``python -m bench NAME ...`` some. Machines differ and are noisy:
read the ratios, not the figures. A new measurement is one module here and one line in
``bench.__main__.BENCHES``.
"""
