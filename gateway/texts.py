"""What the robot says, in Chinese and English: short, calm, never a diagnosis, never a drug.

Every text is a mapping of language to words, as texts from the hub are. `{number}` is the
emergency number of the place.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

ZH: Final = "zh-CN"
EN: Final = "en"
LANGUAGES: Final = (ZH, EN)
Text = Mapping[str, str]


def text(zh: str, en: str) -> Text:
    """Words in both languages."""
    return {ZH: zh, EN: en}


def as_text(raw: Any) -> Text:
    """Words from a message: one string for every language, or a mapping; empty if neither."""
    if isinstance(raw, str) and raw:
        return dict.fromkeys(LANGUAGES, raw)
    if isinstance(raw, dict):
        return {k: v for k, v in raw.items() if isinstance(k, str) and isinstance(v, str) and v}
    return {}


def words(said: Text, language: str) -> str:
    """The words in a language; in another one rather than none."""
    if language in said:
        return said[language]
    tongue = language.partition("-")[0]
    alike = [sentence for name, sentence in said.items() if name.partition("-")[0] == tongue]
    return next(iter([*alike, *said.values()]), "")


def fill(said: Text, **values: Any) -> Text:
    """The words with their blanks filled in."""
    return {name: sentence.format(**values) for name, sentence in said.items()}


YES_NO: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "yes": text("是", "Yes"),
        "no": text("不是", "No"),
        "unsure": text("说不清", "Not sure"),
        "unknown": text("说不清", "Not sure"),
    }
)

# --- buttons ------------------------------------------------------------------------------------

TAKEN: Final = text("已服药", "I have taken it")
LATER: Final = text("稍后提醒", "Remind me later")
SKIP: Final = text("这次不服", "Skip it this time")
OK: Final = text("知道了", "OK")
STOP: Final = text("先不量了", "Stop measuring")
CANCEL_CALL: Final = text("按错了，取消", "Pressed by mistake: cancel")
TOOK_IT: Final = text("其实我已服过", "I did take it")

# --- medicine -----------------------------------------------------------------------------------

DOSE: Final = text("该服药了", "Time for your medicine")
REMINDER: Final = text("提醒", "A reminder")
FOR: Final = text("（{who}）", " ({who})")
DOSE_MORE: Final = text("后面还有 {n} 种", "{n} more to follow")
MISSED: Final = text("这次服药时间已过", "The time for this medicine has passed")
MISSED_ADVICE: Final = text(
    "现在请不要补服。如有疑问，请问您的医生团队。",
    "Please do not take it now. If unsure, ask your care team.",
)
DOSE_THANKS: Final = text("好的，已记下。", "Thank you, noted.")

# --- measuring ----------------------------------------------------------------------------------

REST: Final = text("请坐好，安静休息", "Please sit and rest quietly")
REST_HOW: Final = text(
    "背靠椅背，双脚放平，袖带与心脏同高，先不要说话。",
    "Back supported, feet flat, cuff at heart height. No talking, please.",
)
REST_AGAIN: Final = text("很好，再休息一会儿", "Well done. Rest a little more")
PRESS_START: Final = text("请按血压计上的开始键", "Press START on the cuff")
PRESS_START_HOW: Final = text(
    "手臂放松，量完之前不要说话、不要动。",
    "Relax your arm. Please keep still and quiet until it has finished.",
)
ASKED: Final = text("医生团队请您再量一次血压。", "Your care team asks for one more reading.")
READING_OF: Final = text("第 {n} 次，共 {of} 次", "Reading {n} of {of}")
SESSION_DONE: Final = text("量好了，谢谢您。", "All done, thank you.")
SESSION_OVER: Final = text(
    "没有收到读数，可以稍后再量。", "No reading came. You can try again later."
)
RESULT: Final = text("高压 {sys}，低压 {dia}。", "Your blood pressure is {sys} over {dia}.")
RECORDED: Final = text("已记录，医生团队可以看到。", "Recorded. Your care team can see it.")
RECORDED_HERE: Final = text(
    "已记录，会自动送达医生团队。",
    "Recorded here. It will reach your care team by itself.",
)

# --- advice at the edge -------------------------------------------------------------------------

ADVICE_TITLE: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "severe": text("血压偏高，请先安静休息", "Your reading is high. Please rest"),
        "emergency": text("血压很高，请坐下休息", "Your reading is very high. Please sit down"),
        "low": text("血压偏低，请坐下或躺下", "Your reading is low. Please sit or lie down"),
    }
)
ADVICE: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "severe": text(
            "休息几分钟后请再量一次。"
            "如有胸痛、气短、手脚无力、说话不清或剧烈头痛，请拨打 {number}。",
            "Rest a few minutes and measure again. With chest pain, short breath, weakness, "
            "trouble speaking or a violent headache, call {number}.",
        ),
        "emergency": text(
            "请休息并再量一次，也可以按「呼叫医生」。如有任何不适，请马上拨打 {number}。",
            "Rest and measure again, or press “Call the doctor”. If you feel unwell in any way, "
            "call {number} now.",
        ),
        "low": text(
            "起身要慢，休息后请再量一次。如有头晕、跌倒或快要昏倒，请拨打 {number}。",
            "Get up slowly, rest, and measure again. If you are dizzy, have fallen or feel faint, "
            "call {number}.",
        ),
    }
)

# --- calling for help ---------------------------------------------------------------------------

CALL_STAGES: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "sent": text("正在呼叫您的医生团队", "Calling your care team"),
        "accepted": text("呼叫已送达", "Your call has arrived"),
        "notified": text("已通知您的医生团队", "Your care team has been told"),
        "answered": text("医生团队已回应", "Your care team has answered"),
        "closed": text("这次呼叫已处理完", "This call has been dealt with"),
    }
)
CALL_WAIT: Final = text(
    "请坐下，留在这里。如果情况紧急，请拨打 {number}。",
    "Please sit down and stay here. If it is urgent, call {number}.",
)
CALL_UNHEARD: Final = text("暂时联系不上医生团队", "The care team cannot be reached right now")
CALL_UNHEARD_HOW: Final = text(
    "请用电话拨打 {number}，或请家人、邻居帮忙。机器人会继续呼叫。",
    "Please telephone {number}, or ask family or a neighbour. The robot goes on calling.",
)
CALL_CANCELLED: Final = text("呼叫已取消", "The call was cancelled")
CALL_CANCELLED_HOW: Final = text("需要帮助时，请随时再按。", "Press again whenever you need help.")
QUESTION: Final = text("医生团队想问您", "A question from your care team")
MESSAGE: Final = text("医生团队的消息", "A message from your care team")

# --- becoming a node ----------------------------------------------------------------------------

UNBOUND: Final = text("等待绑定", "Waiting to be bound")
UNBOUND_HOW: Final = text(
    "请让医生团队或家人扫描机身上的二维码。绑定后会自动开始工作。",
    "Please let your care team or family scan the code on this device. It starts by itself then.",
)
UNBOUND_SERIAL: Final = text("设备编号 {serial}", "Device {serial}")
