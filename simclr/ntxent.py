"""NT-Xent at its address for other projects; it lives in ``simclr.losses.ntxent``."""

from simclr.losses.ntxent import PairWeight as PairWeight
from simclr.losses.ntxent import nt_xent as nt_xent
