"""The table of settings holds every field of every training, in words."""

from dataclasses import fields

from test_fit import make_split

from helpers.results import Row
from helpers.results import conditions as told
from helpers.training import conditions, recipes


def test_settings_leave_nothing_out():
    split = make_split()
    asked = {
        "fast": recipes.fast("fast_b", split, options={"width": 0.5}),
        "published": recipes.published("nf264_deep", split, schedule="plateau", schedule_options={"minimum": 1e-5}),
    }
    asked["adam"] = recipes.published("hdr_cnn", split)
    table = recipes.settings(asked)
    assert table.index.tolist() == ["fast", "published", "adam"]
    assert table.columns.tolist() == [f.name for f in fields(asked["fast"])]
    fast, published = table.loc["fast"], table.loc["published"]
    assert fast["augmentation"] == "rotation 10, zoom 0.1, shift 2, shear 0"
    assert (fast["options"], fast["nesterov"], fast["weight_decay"]) == ("width 0.5", "True", "0.0005")
    assert (published["augmentation"], published["options"], published["nesterov"]) == ("none", "none", "False")
    assert (published["schedule_options"], published["batch_size"]) == ("minimum 1e-05", "64")
    assert fast["steps_per_epoch"] == "one pass"
    assert fast["split"] == published["split"] == split.name
    assert table.loc[["published", "adam"], "momentum"].tolist() == ["0.9", "none"]


def test_conditions_of_a_training_are_those_of_its_row():
    split = make_split()
    n = len(split.train_index)
    spec = recipes.fast("fast_b", split, epochs=3, batch_size=4, precision="float32")
    found = conditions.of(spec, split="here")
    assert found == told.Conditions("here", n, 3.0, 5, 0.1, "float32")
    assert conditions.of(spec).split == split.name
    assert conditions.of(spec, views=1).views == 1

    class Run:
        seconds, parameters, hardware = 2.0, 7, {"precision": "mixed_bfloat16"}

    Run.spec = spec
    row = Row("net", "here", "accuracy", 0.5, 10, **conditions.fields(Run()))
    assert (row.seconds, row.parameters, row.precision) == (2.0, 7, "mixed_bfloat16")
    assert told.differing({"spec": found, "row": row}).keys() == {"precision"}


def test_passes_of_a_training_in_steps_are_counted_in_images():
    split = make_split()
    n = len(split.train_index)
    short = recipes.fast("fast_b", split, epochs=2, batch_size=4, steps_per_epoch=5)
    assert conditions.of(short).passes == round(40 / n, 2)
    differ = conditions.together({"a": short, "b": recipes.fast("fast_b", split, epochs=2, batch_size=4)})
    assert list(told.differing(differ)) == ["passes"]
