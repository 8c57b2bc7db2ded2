"""Keys and certificates that take the place of others, without a message that fails because of it.

A successor stands in the configuration beside what it succeeds, and both are accepted in every place. Which of the two
is used for a partner is a choice, partner by partner: the old one until that partner is seen to use the successor (or
has accepted it, or a set time has come), and the old one again where receipts then fail.

    states    the life of a rotation, and of one partner within it, as tables
    facts     what is kept of both, as records
    steps     what is to be done next: pure functions
    choices   which of two keys is used for whom, as a directory asks
    files     the edits of the configuration: a successor beside, and then in the place of, the old one
"""

from ecluse.trust.rotation.choices import Choices
from ecluse.trust.rotation.facts import Rotation, Standing
from ecluse.trust.rotation.states import PartnerStage, RotationState

__all__ = ["Choices", "PartnerStage", "Rotation", "RotationState", "Standing"]
