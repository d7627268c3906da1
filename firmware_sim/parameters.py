"""The numbers behind the simulated people, each with where it comes from. mmHg unless said.

[S] published, [A] assumed: plausible, chosen so that the whole stays within what is published.
"""

from typing import Final

# [S] Ohasama, 4 weeks of home readings in the morning: within one person the SD is 8.6 +- 3.1
# systolic and 5.8 +- 2.0 diastolic; between people the level is 123.4 +- 15.1 / 75.7 +- 9.0.
WITHIN_SD_SYS: Final = 8.6
WITHIN_SD_DIA: Final = 5.8
WITHIN_SD_SPREAD_SYS: Final = 3.1
WITHIN_SD_SPREAD_DIA: Final = 2.0
BETWEEN_SD_SYS: Final = 15.1
BETWEEN_SD_DIA: Final = 9.0

# [A] Our people have hypertension, some of it not controlled: higher than the population above.
LEVEL_SYS: Final = 138.0
LEVEL_DIA: Final = 82.0
LEVEL_PULSE: Final = 71.0
BETWEEN_SD_PULSE: Final = 8.0
WITHIN_SD_PULSE: Final = 5.0

# [A] Half of the within-person variance is the day's, and a day resembles the one before.
DAY_SHARE: Final = 0.5
DAY_TO_DAY: Final = 0.4
# [A] Systolic and diastolic go up and down together.
SYS_DIA_CORRELATION: Final = 0.6

# [A] Morning over evening; a difference of 15 and more is a finding of its own [M].
MORNING_OVER_EVENING_SYS: Final = 4.0
MORNING_OVER_EVENING_DIA: Final = 2.5
# [A] The first reading of a sitting is a little higher than the second.
FIRST_OVER_SECOND: Final = 3.0
# [S] TASMINH4: the first day of measuring is 1.1 higher than the second, in the first months.
FIRST_DAY: Final = 1.1

# [A] What full treatment takes off, and how fast it wears off (a long-acting drug: days).
DRUG_EFFECT_SYS: Final = 14.0
DRUG_EFFECT_DIA: Final = 8.0
DRUG_HALF_LIFE_H: Final = 40.0

# [A] Irregular beats are flagged in few readings of most people.
IRREGULAR: Final = 0.02
# [S] Of 2,272 patients 27.5 % measured at least weekly and 4.4 % as advised; a village that was
# given cuffs and reminders does better [A].
MEASURES: Final = 0.8
# [S] Non-adherence 17.5 % of occasions; forgetting is the reason in two of five.
TAKES: Final = 0.825
SKIPS_OF_NOT_TAKEN: Final = 0.25
# [A] Minutes after the reminder until a person takes it; how often only after the window.
TAKES_AFTER_MIN: Final = 6.0
LATE: Final = 0.03
