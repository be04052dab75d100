# Swin-B with the paper's recipe, from weights of ImageNet-22K instead of ImageNet-1K. The plan names the weights, so
# the settings equal those of b_paper; its published results differ.
_base_ = "./cascade-mask-rcnn_swin-b_paper.py"
