"""Why an episode exists, as an enum that is stored, with the words people read. Pure.

Texts are calm, short, name no person and no value, and are not a diagnosis.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct


class Text(Struct, frozen=True):
    """One text in both languages."""

    zh: str
    en: str

    def both(self) -> dict[str, str]:
        """Keyed by locale, as messages carry it."""
        return {"zh-CN": self.zh, "en": self.en}

    def of(self, locale: str) -> str:
        """In one locale (`zh-CN`, `en`)."""
        return self.zh if locale.startswith("zh") else self.en


class Reason(StrEnum):
    """The reasons of all rules; what is stored is the value."""

    SEVERE_PRESSURE = "severe_pressure"
    SEVERE_WITH_SYMPTOM = "severe_with_symptom"
    EMERGENCY_PRESSURE = "emergency_pressure"
    TOO_HIGH_TO_MEASURE = "too_high_to_measure"
    LOW_PRESSURE = "low_pressure"
    LOW_WITH_SYMPTOM = "low_with_symptom"
    LOW_AFTER_FALL = "low_after_fall"
    TOO_LOW_TO_MEASURE = "too_low_to_measure"
    CALL_DOCTOR = "call_doctor"
    SOS = "sos"
    FALL = "fall"
    CRITICAL_EVENT = "critical_event"
    FAILED_MEASUREMENTS = "failed_measurements"
    TWO_DOSES_MISSED = "two_doses_missed"
    THREE_DOSES_MISSED = "three_doses_missed"
    GATEWAY_SILENT = "gateway_silent"
    GATEWAY_NEVER_SEEN = "gateway_never_seen"
    DEVICE_SILENT = "device_silent"
    DEVICE_OUT_OF_RANGE = "device_out_of_range"
    PERSON_DID_NOT_MEASURE = "person_did_not_measure"
    NO_DEVICE = "no_device"
    PLAN_NOT_CONFIRMED = "plan_not_confirmed"
    PLAN_RUNNING_OUT = "plan_running_out"
    CONTACT_UNREACHABLE = "contact_unreachable"
    ENGINE_FAULT = "engine_fault"


TEXTS: Final[Mapping[Reason, Text]] = MappingProxyType(
    {
        Reason.SEVERE_PRESSURE: Text("血压极高", "Severely high blood pressure"),
        Reason.SEVERE_WITH_SYMPTOM: Text(
            "血压极高并有不适", "Severely high blood pressure with symptoms"
        ),
        Reason.EMERGENCY_PRESSURE: Text("血压危急", "Blood pressure at an emergency level"),
        Reason.TOO_HIGH_TO_MEASURE: Text("血压高得测不出", "Blood pressure too high for the meter"),
        Reason.LOW_PRESSURE: Text("血压过低", "Low blood pressure"),
        Reason.LOW_WITH_SYMPTOM: Text("血压低并有不适", "Low blood pressure with symptoms"),
        Reason.LOW_AFTER_FALL: Text("血压低并有跌倒", "Low blood pressure and a fall"),
        Reason.TOO_LOW_TO_MEASURE: Text("血压低得测不出", "Blood pressure too low for the meter"),
        Reason.CALL_DOCTOR: Text("呼叫医生", "Call for the doctor"),
        Reason.SOS: Text("紧急求助", "Emergency call"),
        Reason.FALL: Text("跌倒", "Fall"),
        Reason.CRITICAL_EVENT: Text("设备报告紧急事件", "The device reports a critical event"),
        Reason.FAILED_MEASUREMENTS: Text(
            "15 分钟内三次测量失败", "Three failed measurements within 15 minutes"
        ),
        Reason.TWO_DOSES_MISSED: Text("连续两次漏服", "Two doses missed in a row"),
        Reason.THREE_DOSES_MISSED: Text(
            "连续三次或更多次漏服", "Three or more doses missed in a row"
        ),
        Reason.GATEWAY_SILENT: Text(
            "超过约定时间没有读数：网关离线",
            "No reading for longer than planned: the gateway is offline",
        ),
        Reason.GATEWAY_NEVER_SEEN: Text(
            "没有读数：网关从未上线", "No reading: the gateway was never online"
        ),
        Reason.DEVICE_SILENT: Text(
            "超过约定时间没有读数：测量设备离线",
            "No reading for longer than planned: the meter is offline",
        ),
        Reason.DEVICE_OUT_OF_RANGE: Text(
            "超过约定时间没有读数：测量设备不在范围内",
            "No reading for longer than planned: the meter is out of range",
        ),
        Reason.PERSON_DID_NOT_MEASURE: Text(
            "超过约定时间没有测量，设备正常",
            "Nobody has measured for longer than planned; the devices are fine",
        ),
        Reason.NO_DEVICE: Text("没有读数：未绑定设备", "No reading: no device is bound"),
        Reason.PLAN_NOT_CONFIRMED: Text(
            "用药计划的修改未被设备确认",
            "A change of the medication plan is not confirmed by the device",
        ),
        Reason.PLAN_RUNNING_OUT: Text(
            "设备上的用药计划不足 48 小时",
            "The medication plan on the device ends within 48 hours",
        ),
        Reason.CONTACT_UNREACHABLE: Text(
            "一个通知地址无法送达", "A notification address cannot be reached"
        ),
        Reason.ENGINE_FAULT: Text(
            "报警规则未能处理，需要人工查看",
            "A rule could not be worked out: somebody has to look",
        ),
    }
)


def words(reason: str) -> Text:
    """The words of a stored reason; one nobody knows any more is shown as it is."""
    for known, text in TEXTS.items():
        if known.value == reason:
            return text
    return Text(reason, reason)
