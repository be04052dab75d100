# The demo recipe with a hook that records the images of each step (sample_recorder.py).
_base_ = "../../../configs/mmdet/cascade-mask-rcnn_swin-demo.py"
custom_imports = {"imports": ["sample_recorder"]}
custom_hooks = [{"type": "SampleRecorder"}]
