"""Two layers Keras lacks: space-to-depth, and batch normalization that runs fused in mixed precision."""

from helpers.runtime.device import keras

ops = keras.ops


@keras.saving.register_keras_serializable(package="digits")
class SpaceToDepth(keras.layers.Layer):
    """Fold each 2 x 2 block of pixels into channels: (n, h, w, c) -> (n, h/2, w/2, 4c).

    A convolution over one channel uses a small part of a processor's width; folding first gives it four channels
    and a quarter of the positions, and loses nothing.
    """

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        blocks = ops.reshape(inputs, (-1, height // 2, 2, width // 2, 2, channels))
        blocks = ops.transpose(blocks, (0, 1, 3, 2, 4, 5))
        return ops.reshape(blocks, (-1, height // 2, width // 2, 4 * channels))

    def compute_output_shape(self, input_shape):
        n, height, width, channels = input_shape
        return (n, height // 2, width // 2, 4 * channels)


@keras.saving.register_keras_serializable(package="digits")
class FusedBatchNormalization(keras.layers.Layer):
    """Batch normalization over the last axis of (n, h, w, c), as one operation of TensorFlow's.

    Keras's own layer casts bfloat16 activations to float32 and back and computes in several passes; TensorFlow's
    FusedBatchNormV3 keeps scale and statistics in float32 and reads the activations once. `momentum` is the share
    of the moving statistics kept at each step. The operation wants images: for (n, c), the output of a dense layer,
    the same formula is written out in float32.
    """

    def __init__(self, *, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        # Statistics stay float32 under every policy: a bfloat16 average stops moving after some hundred steps.
        options = {"shape": (input_shape[-1],), "dtype": "float32", "autocast": False}
        self.gamma = self.add_weight(name="gamma", initializer="ones", **options)
        self.beta = self.add_weight(name="beta", initializer="zeros", **options)
        self.moving_mean = self.add_weight(name="moving_mean", initializer="zeros", trainable=False, **options)
        self.moving_variance = self.add_weight(name="moving_variance", initializer="ones", trainable=False, **options)

    def call(self, inputs, training=False):
        normalise = self._fused if len(inputs.shape) == 4 else self._plain
        outputs, mean, variance = normalise(inputs, bool(training))
        if training:
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs

    def _fused(self, inputs, training):
        import tensorflow as tf

        empty = tf.zeros([0])
        outputs = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=empty if training else self.moving_mean.value,
            variance=empty if training else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=training,
        )
        return outputs.y, outputs.batch_mean, outputs.batch_variance

    def _plain(self, inputs, training):
        wide = ops.cast(inputs, "float32")
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if training:
            mean, variance = ops.moments(wide, axes=tuple(range(len(inputs.shape) - 1)))
        scale = self.gamma.value / ops.sqrt(variance + self.epsilon)
        outputs = ops.cast((wide - mean) * scale + self.beta.value, inputs.dtype)
        if training:
            # The moving variance estimates the population's, so it takes the n - 1 form, as the fused operation does.
            count = ops.cast(ops.size(wide) // inputs.shape[-1], "float32")
            variance = variance * count / ops.maximum(count - 1, 1)
        return outputs, mean, variance

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
