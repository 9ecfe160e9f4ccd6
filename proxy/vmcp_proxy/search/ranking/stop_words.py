"""Words of English that say nothing of what a tool does."""

from typing import Final

_WORDS: Final = """
a an the this that these those
and or but nor if then else than so as because while until unless whether
of at by for with about against between into through during before after above below to from up down in out on off over
under again further once within without via per upon onto across toward towards
i me my myself we us our ours ourselves you your yours yourself he him his she her hers it its itself they them their
theirs themselves who whom whose which what when where why how
is am are was were be been being have has had having do does did doing done
can could will would shall should may might must ought cannot
not no only own same too very just also even still ever never already yet
all any both each few more most other others some such every either neither one
here there now please want wants wanted need needs needed let lets like get gets got
etc eg ie s t d ll m re ve don isn doesn aren wasn couldn
"""

STOP_WORDS: Final = frozenset(_WORDS.split())
