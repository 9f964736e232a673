"""Why a node is out of the question whatever the checks say, in words that follow "the node"."""

TAKEN = "is in maintenance or being evacuated"
EXCLUDED = "is excluded by the plan's targets"
IS_SOURCE = "is where the VM is"
REJECTED = "was refused by the scheduler a short while ago"
HAS_A_POD = "still has a pod of it"
TO_BE_EMPTIED = "is to be emptied by this plan"
TAKEN_UP = "has no room beside the others that come"
