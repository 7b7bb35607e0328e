"""The words by which headers name body parts, views and species, in the languages that devices are set to.

Texts are compared as whole words after `words()`; the scripts that do not separate words, as parts of the text.
"""

import re
import unicodedata
from enum import Enum
from typing import Final


class View(Enum):
    """What a header says about the direction of the beam."""

    FRONTAL = "frontal"
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    DECUBITUS = "decubitus"


def _table(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


CHEST_WORDS: Final = _table(
    "CHEST CXR LUNG LUNGS THORAX THORACIC TORAX TORACE TORACICA THORACIQUE TORAKS GOGUS AKCIGER",
    "POITRINE POUMON POUMONS PECHO PULMON PULMONES PULMAO PULMOES POLMONE POLMONI LUNGE LUNGEN BRUSTKORB",
    "PŁUCA PŁUC PLUC",  # this letter is no L with an accent
    "KEUHKOT LUNGER LUNGOR PLUCA PLICE HRUDNIK KLATKA PIERSIOWA MELLKAS GRUDNAYA GRUDNOY GRUDI LEGKIE OGK",
    "PARU DADA NGUC ОГК ЛЕГКИЕ ЛЕГКИХ ЛЕГЕНІ ГРУДНАЯ ГРУДНОИ ГРУДНА ГРУДЬ ГРУДИ",
    "ТОРАКС",  # noqa: RUF001  # Cyrillic letters are meant
    "ΘΩΡΑΚΑΣ ΘΩΡΑΚΟΣ ΘΩΡΑΚΑ ΠΝΕΥΜΟΝΕΣ חזה",
)
CHEST_PARTS: Final = ("胸", "肺", "흉부", "صدر", "ทรวงอก")
OTHER_BODY_WORDS: Final = _table(
    "ABDOMEN ABDOMINAL ABD KUB BABYGRAM PELVIS HIP HIPS SPINE CSPINE TSPINE LSPINE SKULL HEAD BRAIN NECK",
    "SINUS SINUSES SHOULDER CLAVICLE SCAPULA STERNUM RIB RIBS HUMERUS ELBOW FOREARM WRIST HAND FINGER THUMB",
    "FEMUR KNEE LEG TIBIA FIBULA ANKLE FOOT TOE CALCANEUS EXTREMITY BREAST JAW MANDIBLE TEETH WHOLEBODY",
    "BAUCH BECKEN HUFTE WIRBELSAULE SCHADEL KOPF HALS SCHULTER HANDGELENK KNIE FUSS",
    "ABDOME BACIN PELVE CADERA COLUMNA CRANEO MANO RODILLA HOMBRO PIED GENOU EPAULE RACHIS",
    "ADDOME BACINO CRANIO GINOCCHIO SPALLA",
)
CHEST_CODES: Final = frozenset({"816094009", "51185008", "43799004", "39607008", "T-D3000", "T-D3200", "T-28000"})
"""Chest, thorax, intra-thoracic and lung in SNOMED CT and in retired SNOMED-RT (PS3.16 CID 4, CID 4009)."""
NO_BODY_PART: Final = frozenset({"", "OTHER", "UNKNOWN", "UNDEFINED", "NONE", "NULL", "UNSPECIFIED"})

WHOLE_BODY_WORDS: Final = _table("BABYGRAM WHOLEBODY")
TEST_OBJECT_WORDS: Final = _table(
    "PHANTOM PHANTOMS PHANTOME FANTOM FANTOMA FANTOMAS FANTOME PRUFKORPER KONSTANZPRUFUNG",
    "QC QA QUALITYCONTROL",
    "TESTPATTERN TESTIMAGE TESTBILD CALIBRATION KALIBRIERUNG CALIBRACION ETALONNAGE CALIBRAZIONE FLATFIELD",
    "TG18 SMPTE AAPM ФАНТОМ",
)
TEST_OBJECT_NAMES: Final = _table("PHANTOM PHANTOMS PHANTOME FANTOM FANTOMA QC QUALITYCONTROL TESTPATTERN ФАНТОМ")
"""The fewer words that count where a patient's name or ID should be: people have names like the others."""
TEST_OBJECT_PARTS: Final = ("TEST PATTERN", "TEST IMAGE", "FLAT FIELD", "QUALITY CONTROL", "QUALITY ASSURANCE", "模体")
"""Words, and parts of texts, for what is imaged to check a device."""

VIEW_WORDS: Final = {
    View.FRONTAL: _table(
        "AP PA FRONTAL FRONTALE FACE ANTEROPOSTERIOR POSTEROANTERIOR ANTPOST POSTANT DORSOVENTRAL VENTRODORSAL",
        "ПРЯМАЯ ПЕРЕДНЯЯ",
    ),
    View.LATERAL: _table(
        "LAT LATERAL LATERALE LATERALES LATERALIS LLAT RLAT LL RL SEITLICH SEITL PROFIL PROFILO PERFIL",
        "LATERO LATEROLATERAL XTABLE BOKOVAYA БОКОВАЯ БОКОВОИ БОК ΠΛΑΓΙΑ",
    ),
    View.OBLIQUE: _table(
        "OBLIQUE OBLIQUES OBL OBLICUA OBLIQUA OBLIQUO SCHRAG RAO LAO RPO LPO RLO LLO LORDOTIC APICAL AXIAL КОСАЯ"
    ),
    View.DECUBITUS: _table("DECUBITUS DECUB DECUBITO LLD RLD HFDL HFDR FFDL FFDR"),
}
VIEW_PARTS: Final = {
    View.FRONTAL: ("正位", "正面", "정면", "前后位"),
    View.LATERAL: ("侧位", "側面", "側位", "측면", "جانبي"),
    View.OBLIQUE: ("斜位",),
    View.DECUBITUS: (),
}
_CODES_OF_VIEWS: Final = {
    View.FRONTAL: _table("399348003 R-10206 272479007 R-40888 R-10214 399033003 R-10202"),
    View.LATERAL: _table(
        "399067008 R-102CD 399173006 R-10236 399198007 R-10232 399260004 R-10224 399352003 R-10228 30730003 G-A145"
    ),
    View.OBLIQUE: _table(
        "399312000 R-10208 399160007 R-10204 399132005 R-10252 260427002 R-40783 399099002 R-10230 399135007 R-10220",
        "399184004 R-10238 399006002 R-10212 260426006 R-40782 399368009 R-10226 399059000 R-10216 399356000 R-40985",
        "399236003 R-10234 399038007 R-10210 399061009 R-10241 399110001 R-102C2 399182000 R-102C1",
        "399004004 R-10246 399225005 R-10250 399288005 R-10248 399325008 R-10254",
    ),
}
VIEW_CODES: Final = {code: view for view, codes in _CODES_OF_VIEWS.items() for code in codes}
"""Code values of PS3.16 CID 4010 (DX View), SNOMED CT and retired SNOMED-RT; axial and tangential count as oblique."""

HUMAN: Final = _table("HOMO SAPIENS HUMAN HUMANS PERSON")
HUMAN_CODES: Final = _table("337915000 L-85003 L-85B00")
ANIMAL_WORDS: Final = _table(
    "CANINE FELINE EQUINE BOVINE AVIAN RABBIT FERRET REPTILE VETERINARY VET DOG HUND KATZE PFERD"
)
QUADRUPED_DIRECTIONS: Final = _table("LE RT D V CR CD RO DI")
"""Patient Orientation of four-footed animals (PS3.3 C.7.6.1.1.1), without those that also mean something in humans."""

_DOTTED = re.compile(r"\b([AP])[. ]?[./-]?([AP])\b\.?")
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> frozenset[str]:
    """Return the words of a header's text: upper case, without accents, "a.p." and "P-A" as AP and PA."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.upper()) if not unicodedata.combining(c))
    joined = _DOTTED.sub(lambda match: match[1] + match[2] if match[1] != match[2] else match[0], plain)
    return frozenset(_WORD.findall(joined))


def views_in(text: str) -> frozenset[View]:
    """Return the views that a text names."""
    found = words(text)
    return frozenset(
        view
        for view in View
        if not found.isdisjoint(VIEW_WORDS[view]) or any(part in text for part in VIEW_PARTS[view])
    )


def names_chest(text: str) -> bool:
    """Tell whether a text names the chest."""
    return not words(text).isdisjoint(CHEST_WORDS) or any(part in text for part in CHEST_PARTS)


def names_other_body_part(text: str) -> bool:
    """Tell whether a text names a part of the body that is not, or not only, the chest."""
    return not words(text).isdisjoint(OTHER_BODY_WORDS)


def names_more_than_chest(text: str) -> bool:
    """Tell whether a text that names another part names the chest, too, or the whole body: it is more, not wrong."""
    return names_chest(text) or not words(text).isdisjoint(WHOLE_BODY_WORDS)
