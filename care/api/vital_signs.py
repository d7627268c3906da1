"""The dictionary of vital signs as this hub knows it: /api/vital-signs."""

from fastapi import APIRouter

from care.api.deps import Me
from care.api.problem import PROBLEMS
from care.api.shapes import Told
from contract.vitals import FLAGS, UNITS, VITALS, Flag, Part, Vital

router = APIRouter(prefix="/api", tags=["readings"], responses=PROBLEMS)


class NamesBody(Told):
    """What people read."""

    zh: str
    en: str


class PartBody(Told):
    """One number of a vital sign. Ranges are in `unit` (UCUM), ends included."""

    key: str
    names: NamesBody
    unit: str
    symbol: str
    units: list[str]
    loinc: list[str]
    possible: tuple[float, float]
    plausible: tuple[float, float]
    required: bool


class VitalBody(Told):
    """A vital sign; `parts` in the order of a reading's values."""

    kind: str
    names: NamesBody
    loinc: list[str]
    parts: list[PartBody]


class FlagBody(Told):
    """A flag of a reading; `counts` false keeps the reading out of trends."""

    name: str
    names: NamesBody
    counts: bool


class VitalSigns(Told):
    """What this hub can take."""

    vital_signs: list[VitalBody]
    flags: list[FlagBody]


@router.get("/vital-signs", operation_id="list_vital_signs", response_model=VitalSigns)
async def list_vital_signs(_: Me) -> VitalSigns:
    """Every vital sign with its parts, units and ranges, and every flag."""
    return VitalSigns(
        vital_signs=[_vital(one) for one in VITALS.values()],
        flags=[_flag(one) for one in FLAGS.values()],
    )


def _vital(one: Vital) -> VitalBody:
    names = NamesBody.model_validate(one.names)
    parts = [_part(part) for part in one.parts]
    return VitalBody(kind=one.k, names=names, loinc=list(one.loinc), parts=parts)


def _part(one: Part) -> PartBody:
    return PartBody(
        key=one.key,
        names=NamesBody.model_validate(one.names),
        unit=one.unit,
        symbol=UNITS[one.unit].symbol,
        units=[unit.ucum for unit in one.units],
        loinc=list(one.loinc),
        possible=one.possible,
        plausible=one.plausible,
        required=one.required,
    )


def _flag(one: Flag) -> FlagBody:
    return FlagBody(name=one.name, names=NamesBody.model_validate(one.names), counts=one.counts)
