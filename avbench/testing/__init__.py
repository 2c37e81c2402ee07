"""The conformance suite: what avbench asks of every strategy, as one call for a plugin's tests.

::

    from avbench.testing import check_strategy

    def test_conformance():
        check_strategy(MyMethod, off={"weight": 0.0})

It trains tiny models on clips of noise, on the CPU, in a few seconds, and says of every check that fails what is wrong
and how to mend it. For one test per check::

    @pytest.mark.parametrize("check", CHECKS)
    def test_conformance(check):
        check_strategy(MyMethod, off={"weight": 0.0}, checks=[check])
"""

from avbench.testing.suite import CHECKS, check_strategy

__all__ = ["CHECKS", "check_strategy"]
