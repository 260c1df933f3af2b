"""Read the digit in any image file: decode, bring into MNIST's form, classify, and say how sure that is.

`decoding` opens files, `preparing` makes 28 x 28 images of what they show (with `levels` and `resampling`), `sources`
and `arrays` say what there is to read, `shipped` holds the network, `pipeline` runs it all over a folder,
`table` writes the answers and `__main__` is the command. `ship` trains the network on MNIST and on what `practice`
adds: national `forms`, drawn by a `pen`. It is chosen, and its threshold set, on MNIST digits that `conditions` makes
look like those of other pens and scanners, and on the written strokes of `unseen`.
"""
