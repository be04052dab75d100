# The recipe of the Swin paper, derived from the blog recipe. Box heads have 4 convolutions with SyncBN and 1 fully
# connected layer, one box per class, and GIoU loss on decoded boxes. Settings are those of
# SwinTransformer/Swin-Transformer-Object-Detection @c7b2011 with the names of MMDetection 3. The plan names the
# backbone weights.
_base_ = "./cascade-mask-rcnn_swin-t_blog.py"

paper_head = dict(
    type="ConvFCBBoxHead",
    num_shared_convs=4,
    num_shared_fcs=1,
    conv_out_channels=256,
    norm_cfg=dict(type="SyncBN", requires_grad=True),
    reg_class_agnostic=False,
    reg_decoded_bbox=True,
    loss_bbox=dict(type="GIoULoss", loss_weight=10.0),
)
model = dict(roi_head=dict(bbox_head=[dict(head, **paper_head) for head in _base_.model.roi_head.bbox_head]))

# The learning rate of 1e-4 and the 500 warm-up steps of schedule_1x belong to 8 GPUs x 2 = 16 images per step. Fewer
# GPUs use more images each, still 2 at a time, so losses are means over the same 2 images. Only the SyncBN statistics
# cover fewer images (GPUs x 2).
images_at_once = 2
param_scheduler = [dict(_base_.param_scheduler[0], end=500), _base_.param_scheduler[1]]

# The paper used Apex O1. The closest equivalent is autocast with a dynamic loss scale that starts at 65536.
optim_wrapper = dict(loss_scale="dynamic")
