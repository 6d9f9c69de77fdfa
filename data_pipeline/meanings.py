"""What a reading means, in words: sentences that tie a measurement to the verdict of the answer.

Patterns are in the notation of `grammar.expand`, with the rules of `phrases.RULES` and `RULES`.
"""

from morelli.data_pipeline.phrases import RULES as SHARED
from morelli.data_pipeline.schema import Verdict

RULES = {
    **SHARED,
    "reading": "reading|result|figure|measurement|finding|value|outcome|number|observation|response"
    "|score|signal|effect",
    "trait": "single|lone|isolated|clear|measured|plain|numeric|local|technical|bare|sober|mere",
    "such": "(such|just such) a <reading>|(this|that) <reading>|a <reading> (like this|of this kind"
    "|of this sort)|(this|that|such a) <trait> <reading>",
    "doubt": "doubt|distrust|question|suspect|challenge|dispute|reject",
    "one_shot": "(one|a single|an everyday|an honest|an undisturbed|a normal) (camera|exposure|shot"
    "|capture|sensor|lens|device|phone)",
    "seldom": "seldom|rarely|hardly ever|almost never|scarcely ever|only rarely",
    "leaves": "leaves|gives|produces|yields|explains|creates|causes|generates|shows",
    "alone": "on its own|by itself|taken alone|alone|standing alone|in isolation|without more"
    "|seen alone",
    "verdict": "verdict|conclusion|judgement|decision|assessment|finding|answer|classification",
    "rests": "rests on|relies on|is based on|comes from|is drawn from|follows from|stands on"
    "|depends on|springs from|builds on",
    "content": "what the picture shows|the picture itself|the look of the picture|other (marks"
    "|signs"
    "|cues|hints|traits|features) in the picture|the picture as a whole|the picture's (content"
    "|appearance|pixels|fabric|make-up|details)|how the picture looks",
    "later": "later|afterwards|subsequently|in a second step|in editing",
    "here": "there|here|in that place|at that spot|in this area|at this place",
}

_AMOUNTS = (
    "(this|that|it|the <reading>) (amounts|comes|adds up|works out|corresponds|equates) to {value}"
)
_IN_NUMBERS = (
    "(<case>|numerically|in numbers|in figures|in fact|more precisely|put in numbers),"
    " (<device> <finds>|one has|one finds) {value}"
)
NUMBERS_OUTSIDE = (
    "{opener}: {value}, (where|while|whereas|but) <norm>."
    "|{opener}: {value}, {usual} being <normal>( for <untouched>|)."
    "|{opener}, (with|giving|showing|yielding|returning) {value} (against|instead of|rather than"
    "|in place of|compared with) {usual} (in|for|from|with) <untouched>."
    "|{opener}, (with|giving|showing|yielding|returning) {value} (where|while|whereas|although)"
    " <norm>."
    f"|{{opener}}. {_AMOUNTS}, (and|while|whereas|where) <norm>."
    f"|{{opener}}. {_IN_NUMBERS}(;|, while|, whereas|, where) <norm>."
    "|{opener}. (Among|In|For|Over) <untouched>, {usual} is <normal>, (but|yet|while|whereas)"
    " <case>"
    " (one has|one finds|<device> <finds>) {value}."
)
NUMBERS_INSIDE = (
    "{opener}: {value}, (where|and|while) <norm>."
    "|{opener}: {value}, {usual} being <normal>( for <untouched>|)."
    "|{opener}, (with|giving|showing|yielding|returning) {value}, (like|just like|similar to"
    "|comparable to|in line with) <untouched> with {usual}."
    "|{opener}, (with|giving|showing|yielding|returning) {value} (where|and|while) <norm>."
    f"|{{opener}}. {_AMOUNTS}, (and|where|while) <norm>."
    f"|{{opener}}. {_IN_NUMBERS}(;|, and|, where) <norm>."
    "|{opener}. (Among|In|For|Over) <untouched>, {usual} is <normal>, and <case>"
    " (one has|one finds|<device> <finds>) {value}."
)
NUMBERS_BRIEF = (
    "{opener}: {value}.|{opener}, (with|giving|showing|yielding|returning|reporting) {value}."
    f"|{{opener}}; {_IN_NUMBERS}."
)
"""Without what is normal, for claims that are not the first."""

NUMBERS_ELSEWHERE = (
    "{opener}, (so|which means that|and so|hence) the (difference|deviation|contrast|gap|oddity"
    "|effect) (is|stays|remains) (a local one|local|confined to one place|limited to one spot"
    "|restricted to one area)."
    "|{opener}, unlike (in|at) the (spot|place|area|part) (marked|named|pointed out|mentioned"
    "|described) (before|above|first|earlier)."
    "|{opener}, which (sets|keeps) the (spot|place|area|part) (named|mentioned|described|singled"
    " out) (before|above|first|earlier) apart."
)

MARKS_ALTERED = (
    "(That|This|Here|There) is (also|just|exactly|precisely|indeed|) (where|the place where|the"
    " spot where|the region where) the altered part (lies|sits|is|was found|is marked|is outlined"
    "|begins)."
    "|The altered part (lies|sits|is found|is marked|is located|is outlined|falls) (there|here"
    "|in that place|at that spot|in the same place|in the same area)( too| as well| also|)."
    "|It (coincides|agrees|goes together|overlaps|falls together|lines up) with the altered part"
    " (marked|found|outlined|shown|located|drawn) (there|here|in that place|at that spot)."
    "|(By place|In position|As to place|In location), it (matches|meets|covers|touches|fits) the"
    " altered part (marked|found|outlined|shown) (there|here|at that spot)."
)
RESTS_ON_PICTURE = (
    "(So|Hence|Therefore|Thus|Accordingly|Consequently), the <verdict> <rests> <content>, and"
    " (this|that|such a|the present) <reading> (adds|contributes|lends) little( to it|)."
    "|(This|That|The present) <reading> ((does not speak|does not argue) for|(says little|is"
    " silent) about|gives no support to) the <verdict>, which <rests> <content>."
    "|(For|In|Behind) the <verdict>, (this|that) <reading> (counts|weighs|matters|contributes)"
    " little, (as|since|because) it <rests> <content>."
)

MEANING_OUTSIDE = {
    Verdict.AUTHENTIC: "<alone>, <such> (proves|shows|decides|settles|establishes) little, (and|as"
    "|since|because) <heavy> <proc> can (cause|explain|produce|bring about|lead to) (it|as much"
    "|the same)."
    "|<proc> (in the camera|by an app|on a phone"
    "|by a website|before sharing) can (cause|explain|produce|lead to) <such>, so it (proves"
    "|decides|settles) (little|nothing) <alone>.",
    Verdict.TAMPERED: "<such> (speaks for|points to|hints at|suggests|is typical of|argues for"
    "|is a sign of) (an edit|a local change|a change made <later>|material from elsewhere"
    "|work on this <frame>|a second origin|different origins|more than one source|a later change)."
    "|<one_shot> <seldom> <leaves> <such>( behind| in its files| without help|)."
    "|<such> (means|suggests|indicates|implies) that not all of the <frame> has (the same|one|a"
    " common) (origin|source|history|past).",
    Verdict.SYNTHETIC: "<one_shot> <seldom> <leaves> <such>( across a scene| in this way|)."
    "|<such> (speaks against|argues against|tells against|is at odds with|weighs against)"
    " <one_shot>( as the origin| as the source|)."
    "|<such> (goes|agrees|sits well|is in keeping|is compatible) with (a generator|generated"
    " content|machine-made pixels|content made by a model|a made-up scene) (rather than|more than"
    "|instead of) <one_shot>.",
    Verdict.INCONCLUSIVE: "<such> is a (hint|clue|pointer|suggestion|weak sign|first sign), but"
    " (it is not|not|hardly|far from) enough for a <verdict>."
    "|<such> may (come|stem|result|arise) from <proc> or from an"
    " <edit>, and (cannot|does not|is unable to) (decide|choose"
    "|distinguish) between (them|the two|these)."
    "|<alone>, <such> (does not settle|leaves open|cannot answer|does not answer|cannot settle"
    "|hardly touches)"
    " (the|our|that) (question|matter|issue|case|doubt)( of origin| at hand| of an <edit>|).",
}
COPIES_OUTSIDE = {
    Verdict.AUTHENTIC: "<alone>, <such> (proves|shows|decides|settles|establishes) little, (and|as"
    "|since|because) (regular|repeating|recurring) (patterns|details|shapes|textures) can (look"
    " like|pass for|be mistaken for|read as) copies."
    "|(Windows|Tiles|Bricks|Leaves|Letters|Waves|Fabrics|Fences|Crowds) (repeat|recur|resemble one"
    " another) by nature, so <such> (proves|decides|settles) (little|nothing) <alone>.",
    Verdict.INCONCLUSIVE: "<such> is a (hint|clue|pointer|suggestion|weak sign|first sign), but"
    " (it is not|not|hardly|far from) enough for a <verdict>."
    "|<such> may (come|stem|result|arise) from a (regular|repeating|recurring)"
    " (pattern|texture|detail) or from an <edit>, and (cannot|does not|is unable to) (decide|choose"
    "|distinguish) between (them|the two|these).",
}
"""The same of copies that were found, which no compression explains; of other verdicts,
`MEANING_OUTSIDE`."""

MEANING_INSIDE = {
    Verdict.AUTHENTIC: "(This|That|It) is what <untouched> (show|usually show|look like|tend to"
    " show|give|commonly give)( in this respect| by this measure| on this count|)."
    "|(It|This|<such>) (gives|offers|provides|leaves) no (reason|ground|cause|occasion) to <doubt>"
    " the (picture|image|photograph)( in this respect| on this count| by this measure|)."
    "|No (sign|trace|mark|hint) of (editing|tampering|an <edit>) (shows|appears|comes up"
    "|is found|turns up) here, (though|although|but|even if) not every edit (leaves|gives|makes)"
    " one.",
    Verdict.TAMPERED: RESTS_ON_PICTURE,
    Verdict.SYNTHETIC: "A (generated|machine-made|computed|made-up) (picture|image|scene) can (read"
    "|measure|come out|look|appear) as normal here, so the <verdict> <rests> <content>."
    "|(It|This|<such>) does not (rule out|exclude|speak against|argue against|dismiss) a"
    " (generator|generative model|machine as the author), and the <verdict> <rests> <content>.",
    Verdict.INCONCLUSIVE: "<such> is not (enough|sufficient|strong enough|telling enough) to"
    " (settle|answer|decide|close) the question( either way| for good|)."
    "|(It|This|<such>) speaks neither for (an|any) <edit> nor against one, so the"
    " (question|matter|case|issue|answer|outcome) (stays|remains|is left|must stay|is still) open."
    "|(An edited and an untouched file|Either kind of file|Edited and untouched files alike)"
    " (could|may|might|can) (read"
    "|measure|come out|look) like this, so the (question|matter|case|issue) (stays|remains|is left)"
    " open.",
}

_OFTEN = "often|frequently|commonly|regularly|typically|in many cases"
_SHOWS_SO = (
    "(shows|differs|gives itself away|betrays itself|stands apart|comes to light|is noticed)"
    " (in this way|like this|in such a manner|in just this way|by such a reading)"
)
CAUSES = {
    "splice": "(A|Any) (piece|part|object|figure|fragment|cut-out) (brought in|pasted in|taken"
    f"|carried over|inserted) from another (picture|photograph|file|source) ({_OFTEN})"
    f" {_SHOWS_SO}.",
    "composite": "(Pieces|Parts|Objects|Cut-outs) put together from (several|different|various"
    "|unlike) (pictures|photographs|files|sources) (often|frequently|commonly|regularly) (show"
    "|differ|stand apart|give themselves away) (in this way|like this|in such a manner).",
    "copy_move": "(A|Any) (piece|part|object|fragment|detail) copied and (moved|placed anew|pasted"
    f"|put elsewhere) (within|inside) a (picture|photograph|frame) ({_OFTEN}) {_SHOWS_SO}.",
    "removal": "(A|Any) (spot|place|area|region) where something was (painted out|removed|wiped"
    f" away|erased|covered up|filled over) ({_OFTEN}) {_SHOWS_SO}.",
    "retouch": "(A|Any) (retouched|touched-up|reworked|smoothed|corrected) (spot|place|area|region"
    f"|surface) ({_OFTEN}) {_SHOWS_SO}.",
    "local_generation": "(A|Any) (spot|place|area|region|piece) filled (in|anew|afresh) by (a"
    f" generator|a generative model|a machine|software) ({_OFTEN}) {_SHOWS_SO}.",
    "regenerated": "(A|Any) (spot|place|area|region|part) (redrawn|drawn anew|rebuilt|made anew"
    f"|recreated) by (a generator|a generative model|a neural network|an autoencoder) ({_OFTEN})"
    f" {_SHOWS_SO}.",
    "face": "(A|Any) face (swapped|blended in|exchanged|replaced|laid over another|put over"
    f" another) ({_OFTEN}) {_SHOWS_SO}.",
    "text": "(Lettering|Writing|Text|A line of text) (put in|added|inserted|typed in|set) (later"
    f"|afterwards|at a later point) ({_OFTEN}) {_SHOWS_SO}.",
}
"""How each kind of alteration tends to show."""
