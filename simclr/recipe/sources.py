"""The sources of samples, by the names that recipes call them: the one place where all are listed.

A new source is one file and one line. The file may lie anywhere that Python imports from, such as
``simclr/data/images/glyphs.py``, and holds the source's keys and how it is opened::

    from typing import Literal

    from pydantic import Field

    from simclr.data.source import Source, TensorSource
    from simclr.recipe.images import PhotoData


    class GlyphsData(PhotoData):
        source: Literal["glyphs"] = "glyphs"
        alphabet: str = Field(description="which one")


    def open_glyphs(data: GlyphsData, part: str) -> Source | None:
        return TensorSource(images, labels, name=data.alphabet) if part == "train" else None

The line stands in ``SOURCES`` below::

    "glyphs": SourceKind("simclr.data.images.glyphs:GlyphsData", "simclr.data.images.glyphs:open_glyphs"),

Then ``simclr pretrain RECIPE data.source=glyphs data.alphabet=greek`` pretrains on it, and the encoder is judged on it.
The section derives from `simclr.recipe.images.PhotoData` for photographs, from `simclr.recipe.scenes.SceneData` for
scenes and from `simclr.recipe.data.Data` for anything else. ``part`` is ``train`` or ``test``; a source without a test
part of its own gives None for it. Samples that are no tensor yet are read by a subclass of
`simclr.data.stream.StreamSource`; a `simclr.data.source.Source` whose bytes are costly to hash has a ``content_hash``
of its own.

The module of a section is imported when a recipe names its source. Those of this package lie in `simclr.recipe`, which
imports no torch, apart from their openers, so that recipes are read at once.
"""

from typing import NamedTuple


class SourceKind(NamedTuple):
    """Where a source is defined.

    Attributes:
        section: ``module:name`` of its section of a recipe, a subclass of `simclr.recipe.data.Data`.
        opener: ``module:name`` of a function of (section, part) that gives a `simclr.data.source.Source`, or None
            for the part ``test`` of a source that has none.
    """

    section: str
    opener: str


SOURCES: dict[str, SourceKind] = {
    "image-folder": SourceKind(
        "simclr.recipe.images:ImageFolderData", "simclr.data.images.image_folder:open_image_folder"
    ),
    "torchvision": SourceKind(
        "simclr.recipe.images:TorchvisionData", "simclr.data.images.torchvision_dataset:open_torchvision"
    ),
    "arrays": SourceKind("simclr.recipe.images:ArraysData", "simclr.data.images.arrays:open_arrays"),
    "digits": SourceKind("simclr.recipe.images:DigitsData", "simclr.data.images.digits:open_digits"),
    "scene": SourceKind("simclr.recipe.scenes:SceneFileData", "simclr.data.scenes.scene_file:open_scene_file"),
    "indian-pines": SourceKind(
        "simclr.recipe.scenes:IndianPinesData", "simclr.data.scenes.indian_pines:open_indian_pines"
    ),
}
