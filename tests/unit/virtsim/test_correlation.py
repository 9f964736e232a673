"""Events: repeats are one, and ten different messages of a kind are told as one from then on."""

from virtsim.cluster.correlation import COMBINED, SIMILAR_EVENTS, WITHIN_SECONDS, Correlator, Told

POD = ("v1", "Pod", "ns", "pod", "uid")


def told(message: str, reason: str = "FailedCreate") -> Told:
    return Told(POD, "Warning", reason, message)


def test_the_tenth_message_of_a_kind_is_combined_with_all_that_follow() -> None:
    correlator = Correlator()
    answers = [correlator.correlated(told(f"pod {number}"), float(number)) for number in range(12)]
    assert answers[: SIMILAR_EVENTS - 1] == [(told(f"pod {number}"), f"pod {number}") for number in range(9)]
    assert answers[9:] == [(told(""), f"{COMBINED}pod {number}") for number in (9, 10, 11)]


def test_repeats_and_other_reasons_do_not_count() -> None:
    correlator = Correlator()
    for number in range(30):
        assert correlator.correlated(told("same"), float(number)) == (told("same"), "same")
        other = told(f"pod {number % 9}", "Other")
        assert correlator.correlated(other, float(number)) == (other, other.message)


def test_after_ten_quiet_minutes_it_begins_anew() -> None:
    correlator = Correlator()
    for number in range(SIMILAR_EVENTS):
        correlator.correlated(told(f"pod {number}"), 0.0)
    later = told("pod x")
    assert correlator.correlated(later, WITHIN_SECONDS + 1) == (later, "pod x")
