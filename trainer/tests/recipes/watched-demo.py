# The demo's recipe, whose ranks write down which images they train on (sample_recorder.py).
_base_ = "../../../configs/mmdet/cascade-mask-rcnn_swin-demo.py"
custom_imports = {"imports": ["sample_recorder"]}
custom_hooks = [{"type": "SampleRecorder"}]
