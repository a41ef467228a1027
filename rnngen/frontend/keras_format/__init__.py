"""The parts of Keras 3's ``.keras`` format: settings, weights, the order of the layers, and what each layer is.

A ``.keras`` file is a ZIP archive of three members:

    metadata.json     ``keras_version``, ``date_saved``
    config.json       the model: a Sequential (a list of layers) or a Functional (layers and what each is called with)
    model.weights.h5  HDF5: ``layers/GROUP/vars/0, 1, ...``; GROUP is the layer's class in snake case, with _1, _2
                      for the second and third of that class in the order of config.json.  A recurrent layer has its
                      arrays at ``GROUP/cell/vars``, Bidirectional at ``GROUP/forward_layer/cell/vars`` and
                      ``GROUP/backward_layer/cell/vars``, TimeDistributed at ``GROUP/layer/vars``.
"""
