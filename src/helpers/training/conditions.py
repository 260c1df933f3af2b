"""Under which conditions trainings were made and scored: for rows of results, and for the words beside a comparison."""

from collections.abc import Mapping

from helpers.results import Conditions
from helpers.runtime import precision
from helpers.training.outcomes import Run
from helpers.training.specs import TrainSpec


def of(training: Run | TrainSpec, *, split: str = "", views: int | None = None) -> Conditions:
    """Return the conditions of a training; `split`: of its images, by default its split's name.

    views: that a test image was asked in, where it is not as many as the training says.
    """
    spec = training if isinstance(training, TrainSpec) else training.spec
    passes = spec.epochs * spec.steps * spec.batch / len(spec.split.train_index)
    number = precision.choose(spec.precision) if training is spec else training.hardware["precision"]
    return Conditions(
        split=split or spec.split.name,
        train_images=len(spec.split.train_index),
        # The last, partial batch of a pass is left out, and yet it is called a pass.
        passes=float(spec.epochs) if spec.steps_per_epoch is None else round(passes, 2),
        views=views or spec.views,
        label_smoothing=float(spec.label_smoothing),
        precision=number,
    )


def fields(run: Run, *, views: int | None = None) -> dict:
    """Return what a row of results says of a training: seconds, parameters and all conditions but the split."""
    about = {name: value for name, value in vars(of(run, views=views)).items() if name != "split"}
    return {"seconds": run.seconds, "parameters": run.parameters, **about}


def together(trainings: Mapping[str, Run | TrainSpec]) -> dict[str, Conditions]:
    """Return the conditions of several trainings by name, for `results.conditions.in_words` and `columns`."""
    return {name: of(training) for name, training in trainings.items()}
