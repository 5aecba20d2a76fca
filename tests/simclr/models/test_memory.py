import pytest

from simclr.errors import InputError
from simclr.models.memory import check_memory


def test_what_no_machine_holds_is_refused_and_what_any_holds_is_not():
    check_memory("a small thing", 1024, "leave it")
    with pytest.raises(InputError, match=r"^a large thing would take 1,048,576 GiB of memory, and this machine has \d"):
        check_memory("a large thing", 2**50, "make it smaller")
