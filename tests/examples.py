"""How many examples a property is tried on, by the hypothesis profile in force."""

from hypothesis import settings

THOROUGH = 100
"""What a property that names no number is tried on in the thorough profile: hypothesis's own default."""


def examples(thorough: int) -> int:
    """As many as the profile in force takes of the `thorough` ones, at least one.

    With `@settings(max_examples=examples(60))` a property keeps its ratio to those that name no number.
    """
    profile = settings.get_profile(settings.get_current_profile_name())
    return max(1, thorough * profile.max_examples // THOROUGH)
