# Swin-S of the blog post with the paper's heads and box loss, and nothing else of the paper: warm-up and loss scale are
# the blog's. Together with s_blog, it tells the effect of the heads from that of the batch (configs/sweeps). A batch of
# 16 on 4 GPUs is 4 images per GPU, 2 at a time; with 2 images per GPU, nothing is split.
_base_ = "./cascade-mask-rcnn_swin-t_paper.py"

model = dict(backbone=dict(depths=[2, 2, 18, 2]))
param_scheduler = [dict(_base_.param_scheduler[0], end=1000), _base_.param_scheduler[1]]
optim_wrapper = dict(loss_scale=dict(_delete_=True, init_scale=512))
