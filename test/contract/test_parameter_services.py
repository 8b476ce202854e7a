"""Every parameter through the ROS services of a running node: described, and refused with the range that is allowed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
from light_network import RANDOM
from rcl_interfaces.msg import Parameter, ParameterDescriptor, ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.parameter import parameter_value_to_python

from cinet_ros.parameters import Settings

NODE = "/perception"
# rclpy's own, which it describes or not as it likes.
FOREIGN = ("use_sim_time", "start_type_description_service", "qos_overrides.")

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
RUN_TIME = [name for name, field in FIELDS.items() if field.metadata["run_time"]]
READ_ONLY = [name for name in FIELDS if name not in RUN_TIME]
NUMBERS = [name for name in RUN_TIME if FIELDS[name].metadata["limits"]]
CHOICES = [name for name in RUN_TIME if FIELDS[name].metadata["choices"]]


@pytest.fixture(scope="module", autouse=True)
def node(start_for_module: Callable[..., Any]) -> Any:
    """The node as it comes, with random weights."""
    return start_for_module("perception_node", {"weights": "random"}, until="configured")


def default(name: str) -> Any:
    """As ROS has it."""
    value = FIELDS[name].default
    return list(value) if isinstance(value, tuple) else value


def values(wire: Any, names: list[str]) -> list[Any]:
    """What the node says the parameters are."""
    response = wire.call(GetParameters, f"{NODE}/get_parameters", GetParameters.Request(names=names))
    assert len(response.values) == len(names)
    return [parameter_value_to_python(value) for value in response.values]


def described(wire: Any, names: list[str]) -> list[ParameterDescriptor]:
    """What the node says of the parameters."""
    request = DescribeParameters.Request(names=names)
    return list(wire.call(DescribeParameters, f"{NODE}/describe_parameters", request).descriptors)


def test_every_parameter_is_described_with_its_type_and_range(wire: Any) -> None:
    listed = set(wire.call(ListParameters, f"{NODE}/list_parameters", ListParameters.Request()).result.names)
    assert set(FIELDS) <= listed
    assert all(name.startswith(FOREIGN) for name in listed - set(FIELDS))
    ours = sorted(FIELDS) + sorted(name for name in listed if name.endswith("subscription.reliability"))
    for descriptor in described(wire, ours):
        assert len(descriptor.description) > 10, descriptor.name
        assert descriptor.type != ParameterType.PARAMETER_NOT_SET, descriptor.name
    types = {bool: "BOOL", int: "INTEGER", float: "DOUBLE", str: "STRING", tuple: "STRING_ARRAY"}
    for descriptor in described(wire, sorted(FIELDS)):
        field = FIELDS[descriptor.name]
        limits, choices = field.metadata["limits"], field.metadata["choices"]
        kind = types[type(field.default)]
        if kind == "STRING_ARRAY" and any(isinstance(item, float) for item in field.default):
            kind = "DOUBLE_ARRAY"
        assert descriptor.type == getattr(ParameterType, f"PARAMETER_{kind}"), descriptor.name
        assert descriptor.read_only == (descriptor.name in READ_ONLY), descriptor.name
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        assert [(item.from_value, item.to_value) for item in ranges] == ([limits] if limits else []), descriptor.name
        assert all(choice in descriptor.additional_constraints for choice in choices), descriptor.name


def test_every_parameter_can_be_read(wire: Any) -> None:
    expected = {name: default(name) for name in FIELDS} | {"weights": RANDOM}
    assert dict(zip(expected, values(wire, list(expected)), strict=True)) == expected


@pytest.mark.fault(
    area="parameters",
    injected="every read-only parameter set to another value",
    expected="refused as read-only; the value stays",
)
def test_read_only_parameters_refuse(wire: Any, observed: Callable[[str], None]) -> None:
    before = values(wire, READ_ONLY)
    another: dict[type, Any] = {str: "cpu", int: 64, float: 1.0, bool: False, tuple: ["front"]}
    refused = wire.set_parameters(NODE, **{name: another[type(FIELDS[name].default)] for name in READ_ONLY})
    for name, result in zip(READ_ONLY, refused, strict=True):
        assert not result.successful, name
        assert "read-only" in result.reason, name
        assert name in result.reason
    assert values(wire, READ_ONLY) == before
    observed(f"{len(refused)} of {len(READ_ONLY)} refused")


@pytest.mark.fault(
    area="parameters",
    injected="every number below, above and between its limits as NaN, text, a list",
    expected="refused with the name and both limits; the value stays",
)
def test_numbers_are_refused_with_their_range(wire: Any, observed: Callable[[str], None]) -> None:
    before, count = values(wire, NUMBERS), 0
    for wrong in (-1, 1e9, math.nan, math.inf, "much", [1.0]):
        whole = isinstance(wrong, (int, float)) and math.isfinite(wrong)
        given = {name: int(wrong) if whole and isinstance(FIELDS[name].default, int) else wrong for name in NUMBERS}
        for name, result in zip(NUMBERS, wire.set_parameters(NODE, **given), strict=True):
            assert not result.successful, (name, wrong)
            assert name in result.reason
            for limit in FIELDS[name].metadata["limits"]:
                assert f"{limit:g}" in result.reason, (name, wrong, result.reason)
            count += 1
    assert values(wire, NUMBERS) == before
    observed(f"{count} values refused")


@pytest.mark.fault(
    area="parameters",
    injected="texts that are no choice, an unknown class, and parameters that are deleted",
    expected="refused with what is accepted; the value stays",
)
def test_texts_are_refused_with_their_choices(wire: Any, observed: Callable[[str], None]) -> None:
    names = [*CHOICES, "mask_classes"]
    before = values(wire, names)
    for wrong in ("nothing", "", 3):
        for name, result in zip(CHOICES, wire.set_parameters(NODE, **dict.fromkeys(CHOICES, wrong)), strict=True):
            assert not result.successful, (name, wrong)
            for word in (name, *FIELDS[name].metadata["choices"]):
                assert word in result.reason, (name, wrong, result.reason)
    for wrong in (["persn"], "person", [1, 2]):
        (result,) = wire.set_parameters(NODE, mask_classes=wrong)
        assert not result.successful, wrong
    (result,) = wire.set_parameters(NODE, mask_classes=["persn"])
    assert "person" in result.reason
    request = SetParameters.Request(parameters=[Parameter(name=name) for name in RUN_TIME])
    deleted = wire.call(SetParameters, f"{NODE}/set_parameters", request).results
    assert not any(result.successful for result in deleted)
    assert values(wire, names) == before
    observed(f"also {len(deleted)} deletions refused")


@pytest.mark.fault(
    area="parameters",
    injected="a whole number for a double, as `ros2 param set /perception depth_scale 1` sends it; then text",
    expected="a double, before and after, in value and descriptor",
)
def test_a_whole_number_for_a_double_becomes_one(wire: Any, observed: Callable[[str], None]) -> None:
    doubles = [name for name in NUMBERS if isinstance(FIELDS[name].default, float)]
    before = values(wire, doubles)
    within = {name: math.ceil(FIELDS[name].metadata["limits"][0]) for name in doubles}
    after = []
    for (name, number), value in zip(within.items(), before, strict=True):
        (result,) = wire.set_parameters(NODE, **{name: number})
        assert result.successful, (name, number, result.reason)
        after += values(wire, [name])
        # at once: at their least values some contradict each other
        assert wire.set_parameters(NODE, **{name: value})[0].successful
    assert [(type(value), value) for value in after] == [(float, float(within[name])) for name in doubles]
    assert not any(result.successful for result in wire.set_parameters(NODE, **dict.fromkeys(doubles, "much")))
    assert {descriptor.type for descriptor in described(wire, doubles)} == {ParameterType.PARAMETER_DOUBLE}
    assert values(wire, doubles) == before
    observed(f"{len(doubles)} doubles stay doubles")


def test_values_that_contradict_each_other_are_refused(wire: Any) -> None:
    (result,) = wire.set_parameters(NODE, depth_min=5.0)
    assert result.successful
    (result,) = wire.set_parameters(NODE, depth_max=4.0)
    assert not result.successful
    assert "depth_min = 5" in result.reason
    assert wire.set_parameters(NODE, depth_min=0.0)[0].successful
