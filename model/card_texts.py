"""What a card says in words: use, limits, confounds, and what was expected of data that nobody had scored."""


def _paragraphs(text: str) -> tuple[str, ...]:
    """Split at empty lines and undo the line breaks within."""
    return tuple(" ".join(part.split()) for part in text.split("\n\n"))


AGE_RANGE_YEARS = (1.0, 6.0)

INTENDED_USE = (
    "A triage aid: it orders a reading worklist, so that children aged 1 to 5 years whose frontal chest radiograph "
    "suggests pneumonia are read sooner. A radiologist reads every image, flagged or not."
)
NOT_INTENDED = _paragraphs("""\
diagnosis, or any use in which a flag or its absence takes the place of a reading

ruling pneumonia out: an image that is not flagged waits its usual turn and is not thereby normal

findings other than pneumonia: effusion, pneumothorax, fracture, foreign body, tubes and lines are not looked for

infants under one year, and patients of six years and more, adults above all

lateral, oblique or decubitus views, other body parts, other modalities

anything that needs a regulatory clearance or approval: it has none, and none is implied
""")
CAVEATS = _paragraphs("""\
A triage aid, not a diagnosis: it orders the worklist, a radiologist reads every image.

Only pneumonia is looked for. An image that is not flagged is not thereby normal.

Only frontal chest radiographs of children aged 1 to 5 years. On adults it is of no use: it flags most of them, healthy
or not (see docs/gate.md); infants under one were never seen.

Lateral views, other body parts and other modalities must not reach the model; keeping them out is the gate's work.

Tubes, lines, electrodes and other devices: how many training images show them is not known, and sick children have them
more often. The scores may lean on them.

All training images come from one hospital; elsewhere the figures will differ. Validate on the site's own data first.

The training labels are physicians' readings of the image alone; they err, and so do figures that take them for truth.

Probabilities are calibrated at the training data's prevalence; where pneumonia is rarer, the same score means less.

Sex, weight, device manufacturer and exact age of the training patients are not known, so there are no figures by them.

Figures are out of fold, of single members; their mean, which ships, was not measured on images new to all of them.
""")
CONFOUNDS = _paragraphs("""\
Shape. The originals were not square: NORMAL has a median width/height of 1.21, PNEUMONIA of 1.50, and both were
squashed to a square. In training each class is stretched back to one median shape and as far again by half, so that
the medians change places at a smaller distance; then every image is stretched at random along each axis, and loses
margins at random so that what the stretch leaves at the edges tells nothing.

Sharpness. NORMAL originals are larger (mean width 1,687 against 1,200 pixels) and so sharper when reduced. In training
every image is blurred at random, each axis on its own.

Exposure. The classes differ in brightness and contrast. In training every image gets its own gamma, contrast,
brightness and noise.

Patients. Many have several images, up to 30. Folds share no patient, and intervals are a bootstrap over patients.

Others. Markers, collimation and devices may tell the classes apart as well; nothing was done about them beyond random
flips, rotations, shifts and margins, and nothing was measured.
""")
PREDICTION = (
    "Expected of the data set's official test split (624 images), written before anybody here had scored it: AUC 0.982 "
    "to 0.996 and, at the operating point, recall 0.955 to 0.990, specificity 0.88 to 0.97, precision 0.93 to 0.98, "
    "accuracy 0.935 to 0.98. Specificity is the least certain: that split's normal images are shaped otherwise, and "
    "what is left of the lean on shape costs specificity first."
)
