"""Looking inside any Keras model: its parameters, every gate that ran, any neuron as a circuit."""
