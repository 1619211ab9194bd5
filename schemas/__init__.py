"""Ground floor: names and rules. No I/O, no clock, no environment.

Reading order: ``errors`` (what can go wrong, by consequence), ``columns`` (how a table is declared), ``tables``
(the declarations), ``records`` (what travels), ``keys`` (identity), ``sources`` (what can be read), ``rules``
(validation), ``dictionary`` (docs and JSON Schema derived from the declarations).
"""
