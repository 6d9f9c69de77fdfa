"""What each instrument reads, in words: the subjects and predicates that taught sentences use.

Patterns are in the notation of `grammar.expand`. `{where}` becomes "in the lower left" or "across
the whole picture", `{degree}` "much stronger", `{name}` the instrument's name.
"""

from dataclasses import dataclass

RULES = {
    "case": "here|in this case|this time|now|on this file|in the present <frame>|for this <frame>"
    "|in this instance|on this occasion|with this <frame>|at this point",
    "frame": "picture|image|photograph|frame|photo|shot",
    "parts": "parts|areas|regions|sections|places|stretches|zones|blocks|tiles|patches|spots|cells",
    "rest": "the (rest|remainder|bulk|remaining part|main part) of the <frame>"
    "|(other|all other|the remaining|most|neighbouring|adjoining|nearby|adjacent|similar"
    "|surrounding|comparable) <parts>|(everything|what lies) (around|beside|near) it"
    "|its (surroundings|neighbours|neighbourhood|vicinity|environment|background)",
    "patch": "patch|spot|stretch|zone|piece|section|area|block|field",
    "taken": "looked at|read|measured|examined|judged|checked|inspected|sampled|viewed|tested"
    "|probed|scanned|analysed|taken",
    "compared": "compared with|set against|held against|next to|beside|measured against|relative to"
    "|in contrast to|against",
    "is": "is|comes out|turns out|appears|proves|looks|seems|remains|stays",
    "clearly": "clearly|plainly|visibly|markedly|noticeably|distinctly|measurably|evidently"
    "|perceptibly|decidedly|obviously|recognisably||||",
    "finds": "finds|reads|reports|gives|shows|measures|notes|returns|records|yields|registers|says"
    "|displays|counts|detects|delivers",
    "honest": "untouched|unedited|straight|plain|undisturbed|unretouched|unprocessed"
    "|undoctored"
    "|genuine|faithful|pristine|clean|raw|unmodified|everyday|regular|intact",
    "shots": "photographs|shots|pictures|photos|captures|exposures|images|snapshots|frames|takes"
    "|recordings",
    "untouched": "<honest> <shots>",
    "normal": "normal|usual|typical|customary|common|standard|accepted|unremarkable|familiar"
    "|commonplace",
    "span": "range|figure|value|level|span|result|reading|amount|number|outcome|score",
    "norm": "{usual} (is|would be|counts as|seems|appears|is considered|is called) <normal>"
    "|<untouched> (show|give|have|yield|reach|measure|display|exhibit|produce|come to|amount to"
    "|lie at|run to) {usual}"
    "|(the|a) <normal> <span> (is|would be|lies at|comes to) {usual}"
    "|(one (expects|finds|sees|meets|would expect|would find)|experience (suggests|shows|gives"
    "|teaches)"
    "|practice (shows|gives|suggests)) {usual} (in|for|from|with) <untouched>",
    "check": "instrument|test|check|measurement|tool|analysis|meter|probe|method|examination|scan"
    "|inspection|procedure|detector|comparison",
    "device": "(the|this) (direct|closer|local|numeric|automatic|statistical|careful|routine"
    "|standard|technical|quantitative|computed|plain|||||) <check>",
    "quite": "quite|fairly|entirely|wholly|rather|very|remarkably|perfectly|sufficiently|largely"
    "|altogether||||||",
    "even": "<quite> (even|uniform|steady|consistent|regular|balanced|constant|calm|smooth"
    "|coherent|level"
    "|homogeneous|stable|harmonious|orderly|seamless|unvaried|evenly spread|settled)",
    "search": "(|||automatic|systematic|dense|numeric|full|thorough|close|patient|pairwise)"
    " (search|look|hunt|scan|check|test|quest) for (copies|duplicates|repeats|clones|twins"
    "|doubles|repetitions|copied parts|repeated details)",
    "again": "a second time|once more|again|in another spot|at another place|elsewhere|in a second"
    " position|further away|at some distance",
    "turns_up": "turns up|shows up|appears|recurs|returns|comes back|is found|occurs|reappears"
    "|is present|exists|is repeated|is visible",
    "bit": "piece|bit|section|fragment|patch|detail|portion|area|block|shape|structure|segment"
    "|texture|motif|element",
    "bits": "pieces|bits|sections|fragments|patches|details|portions|areas|blocks|shapes|structures"
    "|segments|textures|motifs|elements",
    "where_ninth": "(in|at) the {place}( part| area| region| section| zone| ninth| of the"
    " <frame>||)",
    "where_whole": "(across|over|throughout|in) the (whole|entire|full|complete) <frame>"
    "|everywhere|(all|right) across the <frame>|(in|over|across) all <parts>|(in|over|across)"
    " every <patch>",
    "weak": "small|slight|fine|subtle|minor|tiny|faint|gentle|delicate|modest",
    "edit": "edit|change|forgery|alteration|manipulation|intervention|retouch|montage|correction"
    "|insertion|falsification|modification",
    "able": "careful|skilful|clever|patient|professional|small|gentle|thorough|discreet|practised"
    "|modern|cautious|shrewd",
    "an_edit": "(an|any|a <able>|many a <able>) <edit>",
    "escapes": "(would|could|may|might|can) (escape|pass|evade|outwit"
    "|deceive|survive|withstand|fool|elude|defeat) (this|the|such a|even a good|any such) <check>",
    "cannot": "(cannot|can hardly|is unable to|is not able to) (tell|say|judge|decide|find out"
    "|state|conclude|establish|contribute|determine) (anything|much|anything (certain|definite"
    "|useful|reliable|of use|of weight))",
    "proc": "compression|smoothing|resizing|denoising|filtering|sharpening|scaling|blurring"
    "|resampling|re-encoding|processing|downscaling|retouching",
    "heavy": "heavy|strong|hard|harsh|repeated|coarse|severe|aggressive|thorough|rough|drastic",
    "hides": "hides|wipes out|removes|flattens|blurs|buries|erases|destroys|covers|weakens|masks"
    "|swallows|levels",
}
"""Patterns that all phrases share."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Patterns for the sentences on one instrument, clauses without the full stop.

    Attributes:
        local: the reading is out of the ordinary in one ninth.
        overall: it is so for the whole picture, without a place.
        ordinary: it is ordinary, in a ninth or in the whole picture.
        value: how the number is put, for example "a difference of 3.41 times".
        silent: whole sentences that say why the instrument cannot tell.
        limits: whole sentences on what the instrument cannot see.
    """

    local: str
    overall: str
    ordinary: str
    value: str
    silent: str
    limits: str


_GRAIN = (
    "(the|its|the (fine|visible|measured|natural|random|residual|underlying|local|faint|digital))"
    " (grain|noise|speckle|sensor noise|pixel noise|graininess|noise level|noise"
    " floor"
    "|noise pattern|noise signal)"
)
_HISTORY = (
    "(the|its|the (recorded|hidden|visible|measured|inferred|traceable|apparent|local))"
    " (compression"
    "|JPEG|save|coding|storage|encoding|block|quantisation) (history|record|past|pattern|trail"
    "|signature|trace|structure|footprint)"
)
_READING = (
    "(the|its|the (measured|local|average|raw|present|recorded)) {name} (reading|value|result"
    "|figure"
    "|measurement|response|score|level|signal|outcome)"
)
_CALM = (
    "(stands out|draws the eye|calls for doubt|looks odd|asks for attention|is remarkable"
    "|strikes one"
    "|deserves comment|raises suspicion|invites doubt|catches attention|seems strange|needs a"
    " remark)"
)
_TOO_LITTLE = "(too little|hardly any|scarcely any|next to no|very little|barely any)"
_SO = "(, so|; hence|; therefore|, and so|; thus|; consequently)"

PHRASES = {
    "noise": Phrases(
        local=f"{_GRAIN} {{where}} <is> <clearly> {{degree}} than in <rest>"
        f"|{{where}} {_GRAIN} <is> <clearly> {{degree}} than in <rest>"
        f"|<taken> {{where}}, {_GRAIN} <is> <clearly> {{degree}} than in <rest>"
        "|a <patch> {where} (shows|carries|holds|has|bears|contains|exhibits|displays) (grain|noise"
        "|speckle|graininess) <clearly> {degree} than in <rest>"
        f"|<compared> <rest>, {_GRAIN} {{where}} <is> <clearly> {{degree}}"
        f"|{_GRAIN} {{where}} <is> {{degree}} than (one|a single|the same) (camera|sensor|exposure"
        "|shot|capture|lens|chip) (leaves|gives|explains|allows|produces|permits|records)",
        overall=f"{_GRAIN} (keeps|holds|has|shows|finds) no (single|common|steady|shared|settled)"
        " (level|strength|character|measure) {where}"
        f"|{_GRAIN} (varies|changes|shifts|wanders|swings|drifts|fluctuates) (too much|too far|too"
        " strongly|too widely|beyond measure) {where}"
        f"|{{where}} {_GRAIN} (changes|varies|jumps|shifts|drifts) (abruptly|strangely|more than it"
        " should|too freely|too strongly|without reason)",
        ordinary=f"{_GRAIN} {{where}} <is> <even>"
        f"|{{where}} {_GRAIN} (keeps|holds|has|shows|retains|maintains|preserves) (one|the same"
        "|a single|a common|a steady) (level|strength|character|grade|density|measure)"
        f"|<taken> {{where}}, {_GRAIN} <is> <even>"
        f"|nothing (about|in|within) {_GRAIN} {{where}} {_CALM}"
        f"|<taken> {{where}}, {_GRAIN} (gives|shows|offers) no (contrast|break|step|jump)",
        value="(a|a (local|measured|total|largest|relative|net)) (difference|gap|ratio|contrast"
        "|step"
        "|spread|factor|disparity|departure|variation) of {value}",
        silent=f"(There is|One finds|The file has|The <frame> holds|We see|This <frame> offers)"
        f" {_TOO_LITTLE} (usable|measurable|readable|comparable) (grain|noise|speckle|graininess)"
        f"{_SO} <device> <cannot>."
        "|(The|Its) (grain|noise|speckle|graininess) (cannot be|can hardly be|is not fit to be)"
        " (compared|used|trusted|weighed|judged|measured|interpreted) (in|on) this"
        " (<frame>|file), (where|as|since) too little of it (is clear|is visible|stands out|is left"
        "|can be read|can be told apart).",
        limits="<an_edit> that (keeps|preserves|imitates|matches|copies|rebuilds|respects|restores)"
        " (grain|noise|speckle|such noise) <escapes>."
        "|<heavy> <proc> <hides> <weak> (differences|steps|gaps|contrasts|variations|traces|shifts)"
        " (in|of) (grain|noise|speckle|graininess).",
    ),
    "jpeg": Phrases(
        local=f"{_HISTORY} {{where}} (differs|departs|parts|strays|deviates|diverges) <clearly>"
        " from"
        " <rest>"
        f"|{{where}} {_HISTORY} (is not|is no longer|can hardly be|fails to be) (that"
        "|the one) of <rest>"
        "|the <patch> {where} (lacks|misses|has lost|is short of) the (traces|marks|signs|prints"
        "|rounding|steps) of an (earlier|older|former|previous|first) JPEG save that <rest> (kept"
        "|preserved|retained)"
        "|an (earlier|older|former|previous|first) JPEG save (left|has left|put|set) its (traces"
        "|marks|signs|imprint|stamp) in <rest> but not {where}"
        f"|<taken> {{where}}, {_HISTORY} <clearly> (differs|departs|deviates|diverges) from <rest>",
        overall=f"{_HISTORY} (is not|is hardly|cannot be|fails to be) (the same|identical|of one"
        " piece|uniform|shared) {where}"
        "|the (traces|marks|signs) of an (earlier|older|former) JPEG save (disagree|do not match"
        "|conflict|clash|contradict one another) {where}",
        ordinary=f"{_HISTORY} {{where}} <is> <even>"
        f"|{{where}} {_HISTORY} (is|stays|remains|appears|seems) (the same|of one piece|undivided"
        "|in order|shared|unbroken|continuous|intact)"
        "|the JPEG (traces|marks|blocks|artefacts|steps|edges) {where} (agree|fit in|go well|accord"
        "|harmonise|are in line|are consistent) with (one another|each other)"
        f"|nothing (about|in|within) {_HISTORY} {{where}} {_CALM}"
        f"|<taken> {{where}}, {_HISTORY} <is> <even>",
        value="(evidence|support|a weight|a score|a strength|a margin|an advantage|a signal) of"
        " {value}",
        silent=f"(There is|One finds|The file has|The <frame> keeps|We see) {_TOO_LITTLE} (trace"
        "|evidence|memory|sign) of an earlier JPEG save; (a screenshot|a fresh export|a rendered"
        " page|a PNG scan|a new capture|an unsaved frame) has (none|no such history|no trace"
        " of one) (either|at all|to show)."
        "|(No earlier|No previous|No older|No former) (JPEG save|compression|saving) left (a|any)"
        f" (mark|trace|imprint|sign){_SO} <device> <cannot>.",
        limits="(saving|storing|exporting|sending|posting|sharing|converting) (a|the|any) <frame>"
        " (again|once more|anew|in poor quality|through a messenger|at a smaller size|online)"
        " <hides>"
        " such (traces|marks|signs|evidence|hints|clues)."
        "|<an_edit> made before the (first|very first|earliest|original|initial) (save|JPEG save"
        "|compression|export|encoding) <escapes>.",
    ),
    "copy-move": Phrases(
        local="(a|one|some|this) <bit> {where} <turns_up> <again>"
        "|{where} (there is|one sees|one finds) a <bit> that <turns_up> <again>"
        "|<bits> {where} (repeat|duplicate|double|mirror|reproduce|copy) another (part|area|spot"
        "|region|surface) (almost exactly|very closely|point by point|closely|precisely|faithfully)"
        "|the same <bit> (appears|occurs|is seen|is present|exists) twice, (at least once|one of"
        " them"
        "|in one case) {where}"
        "|(the|a|this) <search> (meets|comes upon|finds|hits upon|picks out|reveals|uncovers) a"
        " (repeated|doubled|duplicated|recurring|cloned) <bit> {where}",
        overall="(the|a|this) <search> (finds|meets|comes upon|reveals|uncovers) (repeated|doubled"
        "|duplicated|recurring|cloned) <bits> {where}"
        "|{where} (some|several|certain|various) <bits> (appear|occur|turn up|are seen|exist) (more"
        " than once|repeatedly|twice|several times)"
        "|<bits> (repeat|duplicate|double|mirror) one another (almost exactly|closely|precisely"
        "|faithfully) {where}",
        ordinary="(the|a|this) <search> (finds|meets|comes upon|returns|gives|reveals|reports) no"
        " (repeated|doubled|duplicated|copied|recurring|cloned) <bit> {where}"
        "|{where} no <bit> <turns_up> <again>"
        "|{where} no <bit> (repeats|duplicates|doubles|echoes|mirrors|copies|reproduces) another"
        " (part|area|spot|region|<bit>)"
        "|{where} nothing (looks|seems|appears) (copied|duplicated|cloned|lifted|repeated|borrowed)"
        " from another (part|area|spot|region|surface)"
        "|<taken> {where}, the <frame> (shows|reveals|has|holds|contains|presents|displays"
        "|offers) no"
        " (repeated|doubled|copied|recurring|cloned) <bit>",
        value="(copies|repeats|duplicates|matches|doubled details|matching areas|twin regions"
        "|clones"
        "|repetitions) on {value}",
        silent=f"(The|This|Such a) <frame> (has|shows|offers|holds|contains) {_TOO_LITTLE} (detail"
        f"|texture|structure|pattern|contrast){_SO} (the|this|a) <search> <cannot>."
        "|(the|a|any|this) <search> (needs|wants|requires|demands|presupposes) more (texture|detail"
        "|structure|pattern|contrast|relief) than (this <frame>|the file|this scene|the subject)"
        " (has"
        "|offers|shows|provides|contains|supplies).",
        limits="(a|any) <bit> (brought in|taken|pasted|carried over|lifted|imported|borrowed"
        "|inserted) from another (picture|photograph|file|source|shot|scene|camera) <escapes>."
        "|(smooth|plain|uniform|flat|featureless|empty|soft) (areas|surfaces|parts|zones) such"
        " as (sky"
        "|walls|water|fog|snow|skin|sand|cloth|haze) (hold|offer|contain|have|give|supply)"
        f" {_TOO_LITTLE} (detail|texture|structure|pattern) for (this|such a|the) <check>."
        "|(this|the|such a) <check> (cannot|does not|is not meant to|will not|was not built to)"
        " (see"
        "|find|notice|spot|detect|catch) (parts|spots|areas|details|objects|places) (painted over"
        "|filled in|smeared over|wiped away|smoothed away|brushed out).",
    ),
}
"""The phrases of each instrument; those of others come from `GENERAL`."""

GENERAL = Phrases(
    local=f"{_READING} {{where}} (differs|departs|deviates|strays|diverges) <clearly> from <rest>"
    f"|{{where}} {_READING} (is|comes out|proves|appears|seems) <clearly> out of (line|keeping"
    "|step)"
    f"|<taken> {{where}}, {_READING} <clearly> (differs|departs|deviates|diverges) from <rest>"
    f"|<compared> <rest>, {_READING} {{where}} (is|comes out|proves|appears|seems) out of"
    " (line|keeping|step)",
    overall=f"{_READING} (is|comes out|proves|appears|seems) out of (line|keeping|step) {{where}}"
    f"|{{where}} {_READING} (leaves|misses|breaks|exceeds|overruns) the (usual|normal|customary"
    "|typical) (range|span|limits|bounds)",
    ordinary=f"{_READING} {{where}} <is> (normal|<even>)"
    f"|{{where}} {_READING} (stays|remains|keeps|lies) (normal|in the normal range|in line|in order"
    "|in the usual span)"
    f"|nothing (about|in|within) {_READING} {{where}} {_CALM}"
    f"|<taken> {{where}}, {_READING} <is> (normal|<even>)",
    value="(a|a (local|measured|total|net)) (reading|value|figure|result|score|level|measure|mark)"
    " of {value}",
    silent="(On|For|With|In) (this|such a) <frame> the {name} <check> <cannot>."
    "|(This|The) <frame> (gives|offers|leaves|hands) the {name} <check>"
    f" {_TOO_LITTLE} (material|evidence|data|structure) to (go by|work with|read|measure|judge).",
    limits="(other|further|different|some|many) (kinds|sorts|types|forms) of (change|<edit>)"
    " <escapes>.",
)
